"""The square around a person: which part of the picture it is, and keypoints relative to it."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

PADDING = 0.25
"""How much the person's box is widened, of its half sides."""
SMALLEST_BOX_PX = 10
"""Boxes smaller than this are left as they are: too few points were seen."""

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, width, height in pixels."""


def person_box(view: NDArray[np.float32], shape: tuple[float, float]) -> Box:
    """Find the padded square around all seen points; it may leave the image of `shape` (w, h).

    Source: PoseCompact of PYSKL with hw_ratio 1 and allow_imgpad; points of confidence 0 are
    unseen here, whatever their coordinates.
    """
    whole = (0.0, 0.0, *shape)
    seen = view[..., 2] > 0
    if not seen.any():
        return whole
    points = view[seen][:, :2].astype(np.float64)
    low, high = points.min(0), points.max(0)
    if (high - low).min() < SMALLEST_BOX_PX:
        return whole
    half = float((high - low).max() / 2 * (1 + PADDING))
    left, top, right, bottom = (
        int(v)
        for v in np.concatenate([(low + high) / 2] * 2) + np.array([-half, -half, half, half])
    )
    return float(left), float(top), float(right - left), float(bottom - top)


def to_box(
    view: NDArray[np.float32], box: Box | NDArray[np.float32], size: int
) -> NDArray[np.float32]:
    """Move coordinates into `box`, scaled to `size` pixels; unseen points stay 0, 0, 0.

    `box` is one for the whole `view` (T, J, 3), or one per frame: (T, 4).
    """
    # Of one box, plain numbers: size / width is then rounded once, and old results stay theirs.
    left, top, width, height = box if isinstance(box, tuple) else box.T[..., None]
    moved = np.empty_like(view)
    moved[..., 0] = (view[..., 0] - left) * (size / width)
    moved[..., 1] = (view[..., 1] - top) * (size / height)
    moved[..., 2] = view[..., 2]
    moved[view[..., 2] <= 0] = 0
    return moved
