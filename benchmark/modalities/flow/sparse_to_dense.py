"""Pyramidal Lucas-Kanade on a grid, interpolated along edges: better below a pixel than DIS.

The code is OpenCV's contrib module `optflow` (SparseToDense).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frame: TypeAlias = NDArray[np.uint8]
    Vectors: TypeAlias = NDArray[np.float32]


def sparse_to_dense(one: Frame, other: Frame) -> Vectors:
    """Pixels from `one` to `other`, float32 (H, W, 2)."""
    optflow: Any = cv2.optflow  # contrib has no types
    return np.asarray(optflow.calcOpticalFlowSparseToDense(one, other), np.float32)
