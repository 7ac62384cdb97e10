"""Modalities as pictures for people: a color means the same in every frame and every clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Frame: TypeAlias = NDArray[np.uint8]
Floats: TypeAlias = NDArray[np.float32]

SATURATED_PX = 2.0
"""Motion in pixels per frame that is fully colored; micro-gestures hardly get there."""
MAP_SIDE = 224
"""Least pixels of a side of a heat map's picture."""


def flow_picture(flow: Floats, limit: float) -> Frame:
    """Draw flow in Middlebury's colors: hue is the direction, full saturation `limit` pixels.

    `flow` is float32 (H, W, 2); what does not move is white. Returns uint8 (H, W, 3).
    """
    import torch
    from torchvision.utils import flow_to_image

    speed = np.linalg.norm(flow, axis=2, keepdims=True)
    slowed = flow * np.minimum(1, limit / np.maximum(speed, 1e-6))
    # torchvision scales by the fastest pixel of the picture. An extra row of pixels at the limit
    # makes that scale the same for every frame; the last line cuts the row off again.
    fastest = np.zeros((1, *flow.shape[1:]), np.float32)
    fastest[..., 0] = limit
    rows = np.concatenate([slowed, fastest]).astype(np.float32)
    picture = flow_to_image(torch.from_numpy(rows.transpose(2, 0, 1).copy()))
    return np.ascontiguousarray(picture.numpy().transpose(1, 2, 0)[:-1])


def maps_picture(maps: Floats) -> Frame:
    """Draw the strongest of the heat maps (H, W, C) at each pixel, dark to light.

    The picture, uint8 (H', W', 3), is larger by a whole number: single pixels stay visible.
    """
    strongest = np.rint(maps.max(axis=2).clip(0, 1) * 255).astype(np.uint8)
    # OpenCV colors in BGR.
    picture = cv2.applyColorMap(strongest, cv2.COLORMAP_INFERNO)[..., ::-1]
    times = max(1, -(-MAP_SIDE // min(picture.shape[:2])))
    return np.ascontiguousarray(picture.repeat(times, axis=0).repeat(times, axis=1))


def stretched(pictures: Sequence[NDArray[np.uint8]], *, still: int) -> list[NDArray[np.uint8]]:
    """Raise the contrast of pictures in which little differs from the value of what stands still.

    The pictures are uint8 (H, W, 3), all on one scale; `still` means no motion, and stays.
    """
    away = np.stack(pictures).astype(np.float32) - still
    # A few pixels move far more than all others: they may reach the end of the scale.
    most = max(float(np.percentile(np.abs(away), 99.5)), 1.0)
    room = min(255 - still, still or 255)
    return list(np.clip(still + away * room / most, 0, 255).astype(np.uint8))
