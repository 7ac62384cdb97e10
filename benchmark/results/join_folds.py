"""Folds joined: out of fold for every labeled clip, the mean on test, fusions fitted on that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from benchmark.contracts.folds import FoldTable, oof_labels
from benchmark.contracts.predictions import Probabilities, read_probabilities
from benchmark.core.errors import MismatchError
from benchmark.core.pinned_file import sha256
from benchmark.editions.splits import OOF
from submission.fusion.fit import fit_with_nested
from submission.fusion.fuse import apply, mean_of_networks

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.params.params import Fusion
    from submission.fusion.fitted import FittedFusion

JOINED = "joined"
"""Stands instead of a fold for all of them."""


def join_folds(
    name: str, folder: Path, folds: FoldTable, mean: Literal["arithmetic", "geometric"]
) -> tuple[Probabilities, Probabilities]:
    """Join the folds of an experiment.

    Args:
        name: The experiment.
        folder: Folder of its probabilities, with one folder per fold.
        folds: Which clips each fold must have, and no other.
        mean: How to average test.

    Returns:
        Probabilities out of fold, each clip once, and those of test.

    Raises:
        FormatError: A file is missing or breaks its schema.
        MismatchError: A file is of other folds, of another fold, or of other clips.
    """
    labels = [f"fold{k}" for k in range(folds.number)]
    parts, tests = (
        [_read(folder / label / f"{stem}.parquet", folds, label) for label in labels]
        for stem in ("oof", "test")
    )
    aligned = [
        part.aligned(folds.clips_of(label)) for label, part in zip(labels, parts, strict=True)
    ]
    ids = tuple(clip for part in aligned for clip in part.clip_id)
    rows = np.concatenate([part.p for part in aligned])
    stamp = parts[0].stamp and parts[0].stamp._replace(fold=JOINED)
    oof = replace(
        parts[0], source=name, clip_id=ids, p=rows, stamp=stamp,
        transductive=any(part.transductive for part in parts),
    )  # fmt: skip
    test = replace(mean_of_networks(tests, mean, source=name), stamp=stamp)
    return oof.aligned(folds.clip_id), test


def _read(file: Path, folds: FoldTable, fold: str) -> Probabilities:
    """Read probabilities of this fold, or `JOINED` ones, of exactly these folds."""
    one = read_probabilities(file)
    stamp, do = one.stamp, "Run 'dvc repro' for the stage that makes it"
    if stamp is None or stamp.fold != fold:
        found = stamp.fold if stamp else "of no fold"
        raise MismatchError(file, "not of this fold", expected=fold, found=found, do=do)
    if stamp.folds != folds.digest:
        wrong, wanted = "made with another file of folds", folds.digest[:12]
        raise MismatchError(file, wrong, expected=wanted, found=stamp.folds[:12], do=do)
    if fold == JOINED and one.split == OOF:
        one.aligned(folds.clip_id)
    return one


class FusedOutOfFold(NamedTuple):
    """A fusion that is fitted out of fold."""

    fitted: FittedFusion
    oof: Probabilities
    """Each clip is fused by a fit on other videos, or other persons: the honest answers."""
    test: Probabilities
    """Of the fit on all clips, applied to the members' means over folds."""


def fuse_oof(
    name: str, fusion: Fusion, clips: Clips, folds: FoldTable, members: Path
) -> FusedOutOfFold:
    """Fit a fusion on the members' out-of-fold probabilities.

    Args:
        name: The fusion.
        fusion: Its members, rule and temperature.
        clips: The index.
        folds: The folds of its edition, which the probabilities must be of.
        members: Folder of the joined probabilities of all experiments.

    Raises:
        FormatError: A file is missing or breaks its schema.
        MismatchError: A file is of other folds, or the members cannot be joined.
    """
    files = {key: members / key / "oof.parquet" for key in fusion.members}
    tests = {key: members / key / "test.parquet" for key in fusion.members}
    read = {file: _read(file, folds, JOINED) for file in (*files.values(), *tests.values())}
    truth = oof_labels(clips, folds.over, folds.groups)
    oof = [read[file] for file in files.values()]
    fitted, nested = fit_with_nested(fusion.rule, fusion.temperature, oof, truth)
    assert nested is not None, "folds have at least two groups"
    fitted = fitted.model_copy(
        update={"test_files": {key: sha256(file) for key, file in tests.items()}}
    )
    test = apply(fitted, [read[file] for file in tests.values()], source=name)
    stamp = oof[0].stamp
    return FusedOutOfFold(
        fitted, replace(nested, source=name, stamp=stamp), replace(test, stamp=stamp)
    )
