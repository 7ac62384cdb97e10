"""Deal labeled clips into folds: by group, and each class as evenly as the groups allow."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.folds import FoldTable, check_folds, oof_labels
from benchmark.contracts.foreign_table import read_table
from benchmark.core.errors import FormatError
from benchmark.core.files import csv_text
from benchmark.core.text_files import whole_number

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.editions.splits import Groups


def draw_folds(
    clips: Clips, *, groups: Groups, number: int, seed: int, over: Sequence[str]
) -> FoldTable:
    """Draw folds; the same clips, in any order, and the same seed give the same folds.

    Args:
        clips: The index.
        groups: What stays together.
        number: Folds.
        seed: Of the draw.
        over: Splits to deal into folds.

    Raises:
        FormatError: There are fewer groups than folds, or fewer clips of every class.

    Source: scikit-learn's StratifiedGroupKFold.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    truth = oof_labels(clips, over, groups)
    where = f"folds of {clips.edition}"
    largest = max(Counter(truth.label.tolist()).values(), default=0)
    most = {f"{groups}s": len({*truth.videos}), "clips of any class": largest}
    for what, found in most.items():
        if found < number:
            raise FormatError(
                where, f"fewer {what} than folds", expected=f"at least {number}", found=str(found),
                do=f"Set folds.{clips.edition}.number to {found} or less",
            )  # fmt: skip
    order = np.argsort(truth.clip_id)
    label, group = truth.label[order], np.array(truth.videos)[order]
    dealer = StratifiedGroupKFold(number, shuffle=True, random_state=seed)
    fold = np.full(len(label), -1)
    with warnings.catch_warnings():
        # Of classes with fewer clips than folds: `class_lines` says which.
        warnings.simplefilter("ignore", UserWarning)
        parts = list(dealer.split(label, label, group))
    for k, (_, rows) in enumerate(parts):
        fold[order[rows]] = k
    table = FoldTable(
        clips.edition, groups, tuple(over), truth.clip_id, truth.videos, tuple(fold.tolist())
    )
    check_folds(table, clips, where=where)
    return table


def given_folds(
    path: Path, clips: Clips, *, groups: Groups, number: int, over: Sequence[str]
) -> FoldTable:
    """Read folds of the user's own, a CSV with the columns clip_id and fold.

    Args:
        path: The file.
        clips: The index.
        groups: What must stay together.
        number: Folds that the file must have.
        over: Splits that are dealt into folds.

    Raises:
        FormatError: It breaks its form, has another number of folds, or a group is in two.
        MismatchError: It has other clips.
    """
    listed = read_table(path)
    if listed.ids is None or listed.columns != ("fold",):
        found = ", ".join(listed.columns or ("no header",))
        raise FormatError(path, "no folds", expected="clip_id,fold", found=found)
    cells = zip(listed.where, listed.cells, strict=True)
    fold = [whole_number(where, "the fold", cell) for where, (cell,) in cells]
    if (found := max(fold) + 1) != number:
        raise FormatError(path, "another number of folds", expected=str(number), found=str(found))
    truth = oof_labels(clips, over, groups)
    group_of = dict(zip(truth.clip_id, truth.videos, strict=True))
    group = tuple(group_of.get(clip, "") for clip in listed.ids)
    table = FoldTable(clips.edition, groups, tuple(over), listed.ids, group, tuple(fold))
    check_folds(table, clips, where=path)
    return table


def class_counts(table: FoldTable, clips: Clips, num_classes: int) -> NDArray[np.int64]:
    """Count the clips of each class in each fold, int64 (K, folds)."""
    truth = oof_labels(clips, table.over, table.groups)
    fold_of = dict(zip(table.clip_id, table.fold, strict=True))
    counts = np.zeros((num_classes, table.number), np.int64)
    np.add.at(counts, (truth.label, np.array([fold_of[clip] for clip in truth.clip_id])), 1)
    return counts


def lone_classes(table: FoldTable, clips: Clips, classes: Sequence[str]) -> list[str]:
    """Name the classes whose clips are all of one group.

    The network that is asked about these clips has never learned their class.
    """
    truth = oof_labels(clips, table.over, table.groups)
    pairs = {*zip(truth.label.tolist(), truth.videos, strict=True)}
    groups = Counter(int(label) for label, _ in pairs)
    return [classes[k] for k in sorted(groups) if groups[k] == 1]


def counts_csv(counts: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Format the clips of each class in each fold."""
    header = ["class", *(f"fold{k}" for k in range(counts.shape[1]))]
    return csv_text(header, [[name, *row] for name, row in zip(classes, counts, strict=True)])


def sparse_classes(counts: NDArray[np.int64], classes: Sequence[str]) -> list[str]:
    """Say which classes some folds lack, one line each."""
    number, has = counts.shape[1], (counts > 0).sum(axis=1)
    return [
        f"'{classes[k]}' is in {has[k]} of {number} folds: {counts[k].sum()} clips"
        for k in np.flatnonzero(has < number).tolist()
    ]
