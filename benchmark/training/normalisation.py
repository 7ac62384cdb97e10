"""What the normalisation of an input stands for, once the media are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.modalities.media import read_media
from benchmark.modalities.statistics import train_statistics
from benchmark.params import DatasetNorm, TrainSplitNorm, VideoInput

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.clips import Clips
    from benchmark.params import Input


def with_numbers(spec: Input, media: Path, clips: Clips) -> Input:
    """The input with `train_split` replaced by the numbers of the media in the folder `media`.

    They go into the model's card, so that prediction needs no training clip.
    """
    if not isinstance(spec, VideoInput) or not isinstance(spec.normalisation, TrainSplitNorm):
        return spec
    mean, std = train_statistics(read_media(media, clips), clips)
    return spec.model_copy(
        update={"normalisation": DatasetNorm(kind="dataset", mean=mean, std=std)}
    )
