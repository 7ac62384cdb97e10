"""How good a system is on labeled clips that it was not trained on, and how sure it should be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.contracts.clips import read_clips
from benchmark.contracts.predictions import read_probabilities
from submission.fusion.fuse import blended
from submission.fusion.temperature import fit_temperature

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmark.editions.edition import Edition
    from submission.fusion.blend import Blend


class ValScore(NamedTuple):
    """How well a system does on the validation clips."""

    temperature: float
    """The temperature of least log-loss: with it, probabilities are calibrated."""
    top1: float
    """Top-1 accuracy, in [0, 1]. A fusion is fitted on the same clips, which flatters it."""


def oof_score(root: Path, edition: Edition, name: str) -> ValScore | None:
    """Score a fusion that is fitted out of fold by its nested answers; None without its files."""
    file = root / "predictions/fusions" / name / "oof.parquet"
    index = root / "data" / edition.name / "clips.parquet"
    if not index.is_file() or not file.is_file():
        return None
    oof = read_probabilities(file)
    label_of = {clip.clip_id: clip.label for clip in read_clips(index, edition)}
    label = np.array([label_of[clip] for clip in oof.clip_id], np.int64)
    p = oof.p.astype(np.float64)
    return ValScore(fit_temperature(p, label), float((p.argmax(1) == label).mean()))


def val_score_of(
    root: Path, edition: Edition, members: Sequence[str], blend: Blend
) -> ValScore | None:
    """Score a system on validation; None where no clip or no probabilities are there.

    Args:
        root: Folder of the project.
        edition: Of the clips.
        members: Experiments.
        blend: Fuses them, sorted by name.
    """
    files = [root / "predictions/experiments" / name / "val.parquet" for name in members]
    index = root / "data" / edition.name / "clips.parquet"
    if not index.is_file() or not all(file.is_file() for file in files):
        return None
    clips = read_clips(index, edition).split("val")
    if not len(clips):
        return None
    # `blended` sorts the members by source, so that must be the name that the weights go by.
    val = [replace(read_probabilities(file), source=name)
           for name, file in zip(members, files, strict=True)]  # fmt: skip
    p = blended(val, blend, source="val").aligned(clips.ids).p.astype(np.float64)
    top1 = float((p.argmax(1) == clips.labels()).mean())
    return ValScore(fit_temperature(p, clips.labels()), top1)
