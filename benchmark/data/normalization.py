"""Normalization: how the pixels of a view become numbers around 0."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from benchmark.core.schema import AboveZero, Strict


class DatasetNorm(Strict):
    """Channels minus `mean`, divided by `std`, on the scale 0 to 255."""

    kind: Literal["dataset"]
    mean: tuple[float, float, float]
    """Of each channel, 0 to 255: subtracted."""
    std: tuple[float, float, float]
    """Of each channel: divided by."""


class TrainSplitNorm(Strict):
    """As `dataset`, with mean and deviation of the training clips (manifest.parquet).

    A standard deviation below one gray level counts as one.
    """

    kind: Literal["train_split"]


class TemporalMeanRemoved(Strict):
    """Each pixel minus its own mean over the view: what does not move is 0.

    With few training clips a network otherwise learns clothes and backgrounds by heart before it
    learns any movement.
    """

    kind: Literal["temporal_mean_removed"]
    scale: AboveZero
    """Gray levels that become 1; well above the camera's noise, so that noise stays small."""


Normalization: TypeAlias = Annotated[
    DatasetNorm | TrainSplitNorm | TemporalMeanRemoved, Field(discriminator="kind")
]
