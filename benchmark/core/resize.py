"""Resize pictures, always with the same interpolation: it is part of what stages compute."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", np.uint8, np.float32)


def resized(frame: NDArray[Number], short_side: int) -> NDArray[Number]:
    """Bring the shorter side of a frame (H, W, ...) to `short_side` pixels; both sides are even.

    The ratio is kept up to rounding, the type always. Interpolation averages areas where the frame
    shrinks and is bilinear where it grows.
    """
    scale = short_side / min(frame.shape[:2])
    return rescaled(frame, scale, cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def shrunk(frame: NDArray[Number], short_side: int) -> NDArray[Number]:
    """Resize a frame as `resized`, but return one that is no larger as it is."""
    return resized(frame, short_side) if min(frame.shape[:2]) > short_side else frame


def rescaled(frame: NDArray[Number], scale: float, interpolation: int) -> NDArray[Number]:
    """Multiply both sides of a frame (H, W, ...) by `scale`, rounded to even numbers."""
    # H.264 stores one color value per 2 x 2 pixels: it takes no odd sides.
    height, width = (2 * round(side * scale / 2) for side in frame.shape[:2])
    picture = cv2.resize(frame, (width, height), interpolation=interpolation)
    return np.asarray(picture, frame.dtype)


def squared(frame: NDArray[Number], side: int) -> NDArray[Number]:
    """Bring a frame (H, W, ...) to a square of `side` pixels; its ratio is lost, its type kept."""
    smaller = side < max(frame.shape[:2])
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, (side, side), interpolation=how), frame.dtype)
