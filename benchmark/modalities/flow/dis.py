"""Dense inverse search: fast, good from a quarter of a pixel on.

Source: Kroeger et al., Fast Optical Flow using Dense Inverse Search, ECCV 2016;
the code is OpenCV's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmark.modalities.flow.estimator import FlowBackendBase, PairByPair

if TYPE_CHECKING:
    import cv2

    from benchmark.modalities.flow.estimator import Frame, Vectors

PRESETS = ("ultrafast", "fast", "medium")
"""By OpenCV's numbers, DISOPTICAL_FLOW_PRESET_..."""
LEAST = 32
"""Pixels of a side below which OpenCV 4 raises or reads past its memory (found by trying)."""


class DisFlow(FlowBackendBase):
    """Dense inverse search (Kroeger et al., ECCV 2016) of OpenCV."""

    kind: Literal["dis"]
    preset: Literal["ultrafast", "fast", "medium"]
    """OpenCV's name for how fine the search is."""

    def estimator(self) -> PairByPair:
        import cv2

        return PairByPair(partial(_flow, cv2.DISOpticalFlow.create(PRESETS.index(self.preset))))


def _flow(search: cv2.DISOpticalFlow, one: Frame, other: Frame) -> Vectors:
    import cv2

    height, width = one.shape[:2]
    more = [(0, max(0, LEAST - side)) for side in (height, width)]
    gray = [np.pad(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), more, "edge") for frame in (one, other)]
    start = np.zeros((*gray[0].shape, 2), np.float32)
    flow = np.asarray(search.calc(gray[0], gray[1], start), np.float32)
    return flow[:height, :width]
