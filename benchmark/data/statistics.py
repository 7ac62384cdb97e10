"""Mean and standard deviation of the stored frames of the training clips, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.data.manifest import ManifestRow

    Frame: TypeAlias = NDArray[np.uint8]

LEVELS = np.arange(256, dtype=np.int64)


class ChannelStatistics(NamedTuple):
    """Of the three channels, on the scale 0 to 255."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class ChannelCounts:
    """How often each value came in each channel of a clip: whole numbers, whatever the order."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), np.int64)

    def add(self, frame: Frame) -> None:
        """Count a frame, uint8 (H, W, 3)."""
        for channel in range(3):
            found = cv2.calcHist([frame], [channel], None, [256], [0, 256])
            self._counts[channel] += found.ravel().astype(np.int64)

    def sums(self) -> list[int]:
        return (self._counts @ LEVELS).tolist()

    def squares(self) -> list[int]:
        return (self._counts @ LEVELS**2).tolist()


def train_statistics(rows: Mapping[str, ManifestRow], clips: Clips) -> ChannelStatistics:
    """Compute mean and deviation of all pixels of the train split; no other split has a part in it.

    Source: as MM-Gesture's for RGB, which pools all three splits.
    """
    train = [rows[clip.clip_id] for clip in clips.split("train")]
    pixels = sum(row.frames * row.height * row.width for row in train)
    sums = [sum(row.sums[c] for row in train if row.sums) for c in range(3)]
    squares = [sum(row.squares[c] for row in train if row.squares) for c in range(3)]
    # In whole numbers up to the last division: nothing cancels.
    variances = [
        (pixels * square - one * one) / pixels**2 for square, one in zip(squares, sums, strict=True)
    ]
    mean = (sums[0] / pixels, sums[1] / pixels, sums[2] / pixels)
    return ChannelStatistics(mean, (variances[0] ** 0.5, variances[1] ** 0.5, variances[2] ** 0.5))
