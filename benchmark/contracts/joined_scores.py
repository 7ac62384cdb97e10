"""Join scores of other programs to the clips and classes of a project, by every name they carry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from benchmark.contracts.foreign_table import class_order
from benchmark.contracts.predictions import TOLERANCE
from benchmark.core.errors import FormatError, MismatchError

if TYPE_CHECKING:
    from benchmark.contracts.external_scores import Scores

ROUNDING = 0.01
"""Largest difference of a row's sum from 1 that rounding explains: bfloat16, or 4 decimals."""


class Expected(NamedTuple):
    """What the project knows of the clips that a file should score."""

    classes: tuple[str, ...]
    ids: tuple[str, ...] | None
    """Clips in their order; None where nothing lists them."""
    labels: dict[str, int]
    """Class index by clip, where the project knows it."""
    source: str
    """What lists the clips, for messages."""
    suffix: str = ""
    """Text that a leaderboard appends to our ids."""


class Joined(NamedTuple):
    """Scores with a clip for every row and a class for every column."""

    ids: tuple[str, ...]
    p: NDArray[np.float64]
    """(N, K), as the file holds them, columns in the order of the classes."""
    said: tuple[str, ...]
    """What was assumed, a line each: nothing is taken for granted without a word."""


def joined(scores: Scores, expected: Expected, *, where: Path) -> Joined:
    """Find the clip of each row and the class of each column.

    Names in the file count; where it has none, its order counts, and that is said. Labels in the
    file must be those of the project.

    Raises:
        FormatError: The file has another number of rows or classes, or odd columns.
        MismatchError: It scores other clips, or its labels contradict the project's.
    """
    p, said = _by_class(scores, expected, where)
    if scores.ids is None:
        ids, order = _by_order(len(p), expected, where)
        said += [f"{where} names no clips: its rows are taken in the order of {order}"]
    else:
        ids = _by_name(scores.ids, expected, where)
        if expected.ids is not None:
            said += [f"rows joined by {scores.named_by} to the clips of {expected.source}"]
    _check_labels(scores, ids, expected, where)
    known = [k for k, clip in enumerate(ids) if clip in expected.labels]
    if scores.ids is None and known:
        right = np.mean([p[k].argmax() == expected.labels[ids[k]] for k in known])
        said += [
            f"in this order, {100 * right:.2f} % of the highest scores are the known labels;"
            " a share as by chance would tell a wrong order"
        ]
    return Joined(ids, p, tuple(said))


def _by_class(
    scores: Scores, expected: Expected, where: Path
) -> tuple[NDArray[np.float64], list[str]]:
    count = len(expected.classes)
    if scores.p.shape[1] != count:
        found = str(scores.p.shape[1])
        raise FormatError(where, "wrong number of classes", expected=str(count), found=found)
    if scores.columns is None:
        return scores.p, []
    try:
        order = class_order(scores.columns, expected.classes)
    except ValueError as error:
        raise FormatError(where, str(error), expected="all class names, or none") from None
    if order is None:
        first, last = scores.columns[0], scores.columns[-1]
        said = f"columns '{first}' to '{last}' name no classes: taken in the order of the classes"
        return scores.p, [said]
    moved = order != list(range(count))
    return scores.p[:, order], ["columns put into the order of the classes"] if moved else []


def _by_order(rows: int, expected: Expected, where: Path) -> tuple[tuple[str, ...], str]:
    if expected.ids is None:
        # Padded, so that sorting by id keeps the order of the rows.
        return tuple(f"row{row:06d}" for row in range(rows)), "the file, as row000000 and so on"
    if len(expected.ids) != rows:
        raise FormatError(
            where, "must have one row per clip", expected=f"{len(expected.ids)} rows",
            found=str(rows),
        )  # fmt: skip
    return expected.ids, expected.source


def _by_name(names: Sequence[str], expected: Expected, where: Path) -> tuple[str, ...]:
    """Find our id of each name: a path, or an id with an ending or a leaderboard's suffix."""
    ids = tuple(names)
    if expected.ids is not None or any("/" in name or "\\" in name for name in names):
        listed = set(expected.ids or ())
        ids = tuple(_our_id(name, listed, expected.suffix) for name in names)
    places: dict[str, int] = {}
    for row, clip in enumerate(ids):
        if (first := places.setdefault(clip, row)) != row:
            raise MismatchError(
                where, f"clip {clip} comes twice", found=f"entry {first} and entry {row}"
            )
    if expected.ids is not None and places.keys() != (listed := set(expected.ids)):
        odd = sorted(places.keys() ^ listed)[0]
        missing, foreign = len(listed - places.keys()), len(places.keys() - listed)
        raise MismatchError(
            where, f"{missing} clip(s) missing, {foreign} foreign (the first is {odd})",
            expected=f"the {len(listed)} clips of {expected.source}", found=str(len(places)),
        )  # fmt: skip
    return ids


def _our_id(name: str, listed: set[str], suffix: str) -> str:
    leaf = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    stem = leaf.rpartition(".")[0] or leaf
    forms = (name, name.removesuffix(suffix), leaf, leaf.removesuffix(suffix), stem)
    return next((form for form in forms if form in listed), leaf if listed else stem)


def _check_labels(scores: Scores, ids: Sequence[str], expected: Expected, where: Path) -> None:
    pairs = zip(ids, scores.labels or (None,) * len(ids), strict=True)
    told = {clip: label for clip, label in pairs if label is not None}
    for clip, label in told.items():
        if not 0 <= label < len(expected.classes):
            allowed = f"a label from 0 to {len(expected.classes) - 1}"
            raise FormatError(
                f"{where}, clip {clip}", "no class", expected=allowed, found=str(label)
            )
    known = [clip for clip in told if clip in expected.labels]
    wrong = [clip for clip in known if told[clip] != expected.labels[clip]]
    if not wrong:
        return
    clip = wrong[0]
    shuffled = sorted(told[c] for c in known) == sorted(expected.labels[c] for c in known)
    order = "They are the same labels in another order: " if shuffled else ""
    raise MismatchError(
        where, f"labels of {len(wrong)} of {len(known)} clips contradict {expected.source}",
        expected=f"label {expected.labels[clip]} for {clip}", found=str(told[clip]),
        do=f"{order}name the clip of each row with --ids, in the order of the file"
        if scores.ids is None else "See that the file is of this edition and split",
    )  # fmt: skip


def as_probabilities(
    scores: NDArray[np.float64], *, logits: bool, where: Path
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Turn scores (N, K) into rows that sum to 1, by softmax if they are `logits`.

    Rows whose sum rounding explains are divided by it. The second value says so, a line each.

    Raises:
        FormatError: The numbers are no probabilities, or no logits where `logits` is true.
    """
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise FormatError(where, f"row {row} holds a number that is not finite")
    sums = scores.sum(axis=1)
    off = np.abs(sums - 1)
    good = (scores >= 0).all(axis=1) & (off <= ROUNDING)
    if logits:
        if good.all():
            raise FormatError(
                where, "the rows are probabilities already", expected="logits",
                do="Omit --logits: a second softmax would make all classes nearly equal",
            )  # fmt: skip
        said = ()
        if scores.min() >= 0 and scores.max() <= 1:
            said = ("all logits lie between 0 and 1: softmax makes such classes nearly equal",)
        return softmax(scores, axis=1).astype(np.float32), said
    if not good.all():
        raise _no_probabilities(scores, good, where)
    said = ()
    if off.max() > TOLERANCE:
        said = (f"rows sum to {sums.min():.5g} to {sums.max():.5g}: divided by their sums",)
    return (scores / sums[:, None]).astype(np.float32), said


def _no_probabilities(
    scores: NDArray[np.float64], good: NDArray[np.bool_], where: Path
) -> FormatError:
    row = int(np.flatnonzero(~good)[0])
    sums = scores.sum(axis=1)
    do = "If they are logits, say --logits"
    if scores.min() >= 0 and np.allclose(sums, sums.mean(), rtol=ROUNDING):
        do = f"Divide them by {sums.mean():.4g}"
    elif scores.min() >= 0 and scores.max() <= 1:
        do = "Dump the softmax over all classes: these are scores of one class each, or rounded"
    return FormatError(
        where, f"{len(good) - good.sum()} of {len(good)} rows are no probabilities, "
        f"the first is row {row}",
        expected=f"numbers >= 0 that sum to 1 +- {ROUNDING}",
        found=f"minimum {scores[row].min():.4g}, sum {sums[row]:.4g}", do=do,
    )  # fmt: skip
