"""Dense inverse search: fast, good from a quarter of a pixel on.

Source: Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016;
the code is OpenCV's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.modalities.specs import DisFlow

    Frame: TypeAlias = NDArray[np.uint8]
    Vectors: TypeAlias = NDArray[np.float32]

PRESETS = ("ultrafast", "fast", "medium")
"""By OpenCV's numbers, DISOPTICAL_FLOW_PRESET_..."""


class Dis:
    """Flow of a pair of frames."""

    def __init__(self, backend: DisFlow) -> None:
        self._estimator = cv2.DISOpticalFlow.create(PRESETS.index(backend.preset))

    def __call__(self, one: Frame, other: Frame) -> Vectors:
        """Pixels from `one` to `other`, float32 (H, W, 2)."""
        gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (one, other)]
        start = np.zeros((*gray[0].shape, 2), np.float32)
        return np.asarray(self._estimator.calc(gray[0], gray[1], start), np.float32)
