"""Keypoints -> joint and limb heat-map volumes: batched tensors on a GPU, sparse loops on a CPU.

Both give what mmaction2's GeneratePoseTarget gives. A Gaussian covers a few pixels of a map, so
on a CPU it pays to visit only those; a GPU is faster over all of them.

Source: PoseConv3D (Duan et al., CVPR 2022, section 3.2) and its code.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from numba import njit
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Volume = NDArray[np.float32]

SMALLEST_CONFIDENCE = 1e-4
"""Points below it leave no trace, as in mmaction2 (PYSKL: 1e-3)."""
REACH = 3
"""Standard deviations after which a map is cut off."""
FRAMES_AT_ONCE = 8
"""Of a limb volume on a GPU: bounds the memory for what is thrown away again."""


def joint_volumes(keypoints: Tensor, size: int, sigma: float) -> Tensor:
    """A Gaussian at every joint, as high as its confidence: float32 (B, J, T, size, size).

    `keypoints` is float32 (B, T, J, 3): x, y in heat-map pixels, confidence. A joint of confidence
    0 leaves no trace, wherever it is.
    """
    if keypoints.is_cuda:
        return dense_joints(keypoints, size, sigma)
    batch, frames, joints, _ = keypoints.shape
    volume = torch.zeros(batch, joints, frames, size, size)
    _draw_joints(volume.numpy(), keypoints.float().contiguous().numpy(), sigma)
    return volume


def limb_volumes(keypoints: Tensor, edges: Tensor, size: int, sigma: float) -> Tensor:
    """A ridge along every limb, as high as its less sure end: float32 (B, L, T, size, size).

    `keypoints` as of `joint_volumes`; `edges` is int64 (L, 2). A limb with an end of confidence 0
    leaves no trace. One shorter than a pixel is a joint at its first end.
    """
    if keypoints.is_cuda:
        return dense_limbs(keypoints, edges, size, sigma)
    batch, frames = keypoints.shape[:2]
    volume = torch.zeros(batch, len(edges), frames, size, size)
    points = keypoints.float().contiguous().numpy()
    _draw_limbs(volume.numpy(), points, edges.numpy(), sigma)
    return volume


def dense_joints(keypoints: Tensor, size: int, sigma: float) -> Tensor:
    """`joint_volumes` over every pixel: a Gaussian is the product of two profiles."""
    x, y, confidence = keypoints.float().unbind(-1)
    confidence = torch.where(confidence < SMALLEST_CONFIDENCE, 0, confidence)
    across = _profile(x, size, sigma)
    down = _profile(y, size, sigma) * confidence[..., None]
    return torch.einsum("btjh,btjw->bjthw", down, across)


def _profile(center: Tensor, size: int, sigma: float) -> Tensor:
    """The truncated 1-D Gaussian around each center: (..., size)."""
    pixel = torch.arange(size, device=center.device, dtype=center.dtype)
    inside = _within(pixel, center, center, sigma)
    return torch.where(inside, torch.exp(-((pixel - center[..., None]) ** 2) / (2 * sigma**2)), 0)


def _within(pixel: Tensor, low: Tensor, high: Tensor, sigma: float) -> Tensor:
    """Whether pixels lie from trunc(low - 3 sigma) to trunc(high + 3 sigma): (..., size)."""
    first = torch.trunc(low - REACH * sigma)[..., None]
    last = torch.trunc(high + REACH * sigma)[..., None]
    return (pixel >= first) & (pixel <= last)


def dense_limbs(keypoints: Tensor, edges: Tensor, size: int, sigma: float) -> Tensor:
    """`limb_volumes` over every pixel, some frames at a time."""
    batch, frames = keypoints.shape[:2]
    volume = keypoints.new_empty(batch, len(edges), frames, size, size, dtype=torch.float32)
    for start in range(0, frames, FRAMES_AT_ONCE):
        some = slice(start, start + FRAMES_AT_ONCE)
        volume[:, :, some] = _limbs(keypoints[:, some].float(), edges, size, sigma)
    return volume


def _limbs(keypoints: Tensor, edges: Tensor, size: int, sigma: float) -> Tensor:
    """The squared distance to a segment from a by u is |d - t u|^2.

    d is the pixel minus a, and t is d.u / |u|^2 within 0 and 1.
    """
    one, other = keypoints[:, :, edges[:, 0]], keypoints[:, :, edges[:, 1]]
    step = other - one
    length = (step[..., :2] ** 2).sum(-1)
    short = length < 1
    height = torch.minimum(one[..., 2], other[..., 2])
    height = torch.where(height < SMALLEST_CONFIDENCE, 0, torch.where(short, one[..., 2], height))
    other = torch.where(short[..., None], one, other)
    pixel = torch.arange(size, device=keypoints.device, dtype=torch.float32)
    offsets, shares, masks = [], [], []
    for axis in (0, 1):
        a, b = one[..., axis], other[..., axis]
        d = pixel - a[..., None]
        offsets.append(d)
        shares.append(d * torch.where(short, 0, step[..., axis] / length)[..., None])
        masks.append(_within(pixel, torch.minimum(a, b), torch.maximum(a, b), sigma))
    t = (shares[1][..., None] + shares[0][..., None, :]).clamp(0, 1)
    ux, uy = step[..., 0, None, None], step[..., 1, None, None]
    square = (offsets[0][..., None, :] - t * ux) ** 2 + (offsets[1][..., None] - t * uy) ** 2
    inside = masks[1][..., None] & masks[0][..., None, :]
    value = torch.exp(square / (-2 * sigma**2)) * height[..., None, None]
    return torch.where(inside, value, 0).transpose(1, 2)


@njit(cache=True, nogil=True)
def _draw_joints(volume: Volume, keypoints: Volume, sigma: float) -> None:
    batch, frames, joints, _ = keypoints.shape
    for b in range(batch):
        for j in range(joints):
            for t in range(frames):
                x, y, confidence = keypoints[b, t, j]
                if confidence >= SMALLEST_CONFIDENCE:
                    _draw_point(volume[b, j, t], x, y, confidence, sigma)


@njit(cache=True, nogil=True)
def _span(low: float, high: float, sigma: float, size: int) -> tuple[int, int]:
    """First pixel, and the one after the last, that a shape from `low` to `high` reaches."""
    if not (low > -1e6 and high < 1e6):  # far outside, or no number: int() would overflow
        return 0, 0
    return max(int(low - REACH * sigma), 0), min(int(high + REACH * sigma) + 1, size)


@njit(cache=True, nogil=True)
def _draw_point(image: Volume, x: float, y: float, height: float, sigma: float) -> None:
    size = image.shape[0]
    top, bottom = _span(y, y, sigma, size)
    left, right = _span(x, x, sigma, size)
    scale = -0.5 / (sigma * sigma)
    for row in range(top, bottom):
        down = (row - y) * (row - y)
        for column in range(left, right):
            image[row, column] = height * math.exp(scale * (down + (column - x) * (column - x)))


@njit(cache=True, nogil=True)
def _draw_limbs(volume: Volume, keypoints: Volume, edges: NDArray[np.int64], sigma: float) -> None:
    batch, frames, _, _ = keypoints.shape
    for b in range(batch):
        for limb in range(len(edges)):
            for t in range(frames):
                one, other = keypoints[b, t, edges[limb, 0]], keypoints[b, t, edges[limb, 1]]
                height = min(one[2], other[2])
                if height < SMALLEST_CONFIDENCE:
                    continue
                ux, uy = other[0] - one[0], other[1] - one[1]
                if ux * ux + uy * uy < 1:
                    _draw_point(volume[b, limb, t], one[0], one[1], one[2], sigma)
                else:
                    _draw_segment(volume[b, limb, t], one, other, height, sigma)


@njit(cache=True, nogil=True)
def _draw_segment(image: Volume, one: Volume, other: Volume, height: float, sigma: float) -> None:
    size = image.shape[0]
    x, y = one[0], one[1]
    ux, uy = other[0] - x, other[1] - y
    length = ux * ux + uy * uy
    top, bottom = _span(min(y, other[1]), max(y, other[1]), sigma, size)
    left, right = _span(min(x, other[0]), max(x, other[0]), sigma, size)
    scale = -0.5 / (sigma * sigma)
    for row in range(top, bottom):
        dy = row - y
        for column in range(left, right):
            dx = column - x
            t = min(max((dx * ux + dy * uy) / length, 0.0), 1.0)
            square = (dx - t * ux) ** 2 + (dy - t * uy) ** 2
            image[row, column] = height * math.exp(scale * square)
