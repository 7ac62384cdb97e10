"""What the normalisation of an input stands for, once the media are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.data.inputs import DatasetNorm, RgbPoseInput, TrainSplitNorm, VideoInput
from benchmark.data.manifest import read_media
from benchmark.data.statistics import train_statistics

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.contracts.clips import Clips
    from benchmark.data.inputs import Input

FLATTEST = 1.0
"""Least standard deviation in grey levels: a channel that never moves, such as the third of flow
components, holds the codec's noise alone, and that is not to be blown up."""


def with_numbers(spec: Input, media: Path, clips: Clips) -> Input:
    """The input with `train_split` replaced by the numbers of the media in the folder `media`.

    They go into the model's card, so that prediction needs no training clip.
    """
    if not isinstance(spec, VideoInput | RgbPoseInput):
        return spec
    if not isinstance(spec.normalisation, TrainSplitNorm):
        return spec
    if isinstance(spec, RgbPoseInput) or spec.modality == "person":
        media = media / "video"
    mean, std = train_statistics(read_media(media, clips), clips)
    std = (max(std[0], FLATTEST), max(std[1], FLATTEST), max(std[2], FLATTEST))
    return spec.model_copy(
        update={"normalisation": DatasetNorm(kind="dataset", mean=mean, std=std)}
    )
