"""Flow as two channels of 8 bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frame: TypeAlias = NDArray[np.uint8]
    Vectors: TypeAlias = NDArray[np.float32]

NO_MOTION = 128
"""Stored for 0 pixels."""


def components(flow: Vectors, limit: float) -> Frame:
    """X and y in two channels: uint8 (H, W, 3), `NO_MOTION` plus 127 at `limit` pixels.

    The third channel is `NO_MOTION` everywhere.
    """
    picture = np.full((*flow.shape[:2], 3), NO_MOTION, np.uint8)
    scaled = np.rint(NO_MOTION + flow * (127 / limit))
    picture[..., :2] = scaled.clip(NO_MOTION - 127, NO_MOTION + 127)
    return picture


def vectors(picture: Frame, limit: float) -> Vectors:
    """The flow in pixels that `components` stored: float32 (H, W, 2)."""
    return (picture[..., :2].astype(np.float32) - NO_MOTION) * np.float32(limit / 127)
