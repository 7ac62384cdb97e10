"""Draw strokes with sub-pixel coordinates; colors are RGB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Paint = Sequence[float] | float
"""RGB 0..255, or one number on a mask."""


def mix(a: NDArray, b: Sequence[float] | NDArray, weight: float) -> tuple[int, int, int]:
    """Mix two colors: `weight` is the share of `b`."""
    r, g, b_ = np.asarray(a, float) * (1 - weight) + np.asarray(b, float) * weight
    return int(r), int(g), int(b_)


def fill(view: NDArray, points: NDArray, color: Paint) -> None:
    """Fill the polygon `points` (n, 2)."""
    cv2.fillPoly(view, [_subpixels(points)], _scalar(color), cv2.LINE_AA, 3)


def line(view: NDArray, points: NDArray, color: Paint, width: int, *, closed: bool = False) -> None:
    """Draw a line through `points`.

    Args:
        view: (h, w, 3) panel, or (h, w) mask.
        points: (n, 2) texels.
        color: RGB, or one number on a mask.
        width: Texels.
        closed: Whether the last point is joined to the first.
    """
    cv2.polylines(view, [_subpixels(points)], closed, _scalar(color), width, cv2.LINE_AA, 3)


def texel(point: NDArray) -> tuple[int, int]:
    """Round a point (2,) to the nearest texel."""
    return round(float(point[0])), round(float(point[1]))


def _subpixels(points: NDArray) -> NDArray[np.int32]:
    # cv2 draws with integers alone; shift 3 in the calls above makes them eighths of a texel. On a
    # face of 100 texels, whole ones would shift lips and brows visibly between people.
    return np.round(points * 8).astype(np.int32)


def _scalar(color: Paint) -> Sequence[float]:
    return [color] if isinstance(color, int | float) else color
