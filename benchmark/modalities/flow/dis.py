"""Dense inverse search: fast, good from a quarter of a pixel on.

Source: Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016;
the code is OpenCV's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from benchmark.modalities.flow.estimator import FlowBackendBase, PairByPair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frame: TypeAlias = NDArray[np.uint8]
    Vectors: TypeAlias = NDArray[np.float32]

PRESETS = ("ultrafast", "fast", "medium")
"""By OpenCV's numbers, DISOPTICAL_FLOW_PRESET_..."""


class DisFlow(FlowBackendBase):
    """Dense inverse search (Kroeger et al., ECCV 2016) of OpenCV."""

    kind: Literal["dis"]
    preset: Literal["ultrafast", "fast", "medium"]
    """OpenCV's name for how fine the search is."""

    def estimator(self) -> PairByPair:
        return PairByPair(Dis(self))


class Dis:
    """Flow of a pair of frames."""

    def __init__(self, backend: DisFlow) -> None:
        import cv2

        self._estimator = cv2.DISOpticalFlow.create(PRESETS.index(backend.preset))

    def __call__(self, one: Frame, other: Frame) -> Vectors:
        """Estimate the pixels from `one` to `other`, float32 (H, W, 2)."""
        import cv2

        gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (one, other)]
        start = np.zeros((*gray[0].shape, 2), np.float32)
        return np.asarray(self._estimator.calc(gray[0], gray[1], start), np.float32)
