"""Probabilities of all folds -> out of fold for every labeled clip; their mean on test."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmark.contracts.predictions import read_probabilities
from benchmark.core.errors import MismatchError
from benchmark.editions.splits import OOF
from submission.fusion.fuse import mean_of_networks

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.contracts.folds import FoldTable
    from benchmark.contracts.predictions import FoldStamp, Probabilities

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
    parts = [read_probabilities(folder / label / "oof.parquet") for label in labels]
    tests = [read_probabilities(folder / label / "test.parquet") for label in labels]
    for label, *both in zip(labels, parts, tests, strict=True):
        for stem, one in zip(("oof", "test"), both, strict=True):
            _check_stamp(one, folds, label, where=folder / label / f"{stem}.parquet")
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


def check_joined(probabilities: Probabilities, folds: FoldTable, *, where: object) -> None:
    """Raise `MismatchError` unless these are joined probabilities of exactly these folds."""
    _check_stamp(probabilities, folds, JOINED, where=where)
    if probabilities.split == OOF:
        probabilities.aligned(folds.clip_id)


def _check_stamp(one: Probabilities, folds: FoldTable, fold: str, *, where: object) -> None:
    stamp: FoldStamp | None = one.stamp
    do = "Run 'dvc repro' for the stage that makes it"
    if stamp is None or stamp.fold != fold:
        found = stamp.fold if stamp else "of no fold"
        raise MismatchError(where, "not of this fold", expected=fold, found=found, do=do)
    if stamp.folds != folds.digest:
        raise MismatchError(
            where, "made with another file of folds", expected=folds.digest[:12],
            found=stamp.folds[:12], do=do,
        )  # fmt: skip
