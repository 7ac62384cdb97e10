"""What the normalization of an input stands for, once the modality are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.data.inputs import DatasetNorm, RgbPoseInput, TrainSplitNorm, VideoInput
from benchmark.data.manifest import read_manifest
from benchmark.data.statistics import train_statistics

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.contracts.clips import Clips
    from benchmark.data.inputs import Input

FLATTEST = 1.0
"""Least standard deviation in gray levels: a channel that never moves, such as the third of flow
components, holds the codec's noise alone, and that is not to be blown up."""


def with_numbers(spec: Input, modality: Path, clips: Clips) -> Input:
    """The input with `train_split` replaced by the numbers of the modality in the folder `modality`.

    They go into the model's metadata, so that prediction needs no training clip.
    """
    if not isinstance(spec, VideoInput | RgbPoseInput):
        return spec
    if not isinstance(spec.normalization, TrainSplitNorm):
        return spec
    if isinstance(spec, RgbPoseInput) or spec.modality == "person_crop":
        modality = modality / "video"
    mean, std = train_statistics(read_manifest(modality, clips), clips)
    std = (max(std[0], FLATTEST), max(std[1], FLATTEST), max(std[2], FLATTEST))
    return spec.model_copy(
        update={"normalization": DatasetNorm(kind="dataset", mean=mean, std=std)}
    )
