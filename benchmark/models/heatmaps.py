"""Keypoints -> joint and limb heat-map volumes: batched tensors on a GPU, sparse loops on a CPU.

Both equal mmaction2's GeneratePoseTarget. A Gaussian covers a few pixels of a map: a CPU visits
only those, a GPU is faster over all pixels.

Source: PoseConv3D (Duan et al., CVPR 2022, section 3.2) and its code.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np

    Volume = NDArray[np.float32]

SMALLEST_CONFIDENCE = 1e-4
"""Points of less confidence are not drawn, as in mmaction2 (PYSKL: 1e-3)."""
REACH = 3
"""Standard deviations after which a Gaussian is cut off."""
FRAMES_AT_ONCE = 8
"""Frames of a limb volume that a GPU draws at once: bounds the memory of intermediate tensors."""


def joint_volumes(keypoints: Tensor, size: int, sigma: float) -> Tensor:
    """Draw a Gaussian at every joint, as high as its confidence: float32 (B, J, T, size, size).

    `keypoints` is float32 (B, T, J, 3): x, y in heat-map pixels, confidence. A joint of confidence
    0 is not drawn, wherever it is. `sigma` is the standard deviation in pixels.
    """
    if _as_tensors(keypoints):
        return dense_joints(keypoints, size, sigma)
    batch, frames, joints, _ = keypoints.shape
    volume = _blank(batch, joints, frames, size, size)
    _draw_joints(volume.numpy(), keypoints.float().contiguous().numpy(), sigma)
    return volume


def limb_volumes(keypoints: Tensor, edges: Tensor, size: int, sigma: float) -> Tensor:
    """Draw a ridge along every limb, as high as its less sure end: float32 (B, L, T, size, size).

    A limb with an end of confidence 0 is not drawn. A limb shorter than a pixel is drawn as a
    joint at its first end.

    Args:
        keypoints: As for `joint_volumes`.
        edges: The two joints of each limb, int64 (L, 2).
        size: Height and width of a map.
        sigma: Standard deviation across the limb, in pixels of a map.
    """
    if _as_tensors(keypoints):
        return dense_limbs(keypoints, edges, size, sigma)
    batch, frames = keypoints.shape[:2]
    volume = _blank(batch, len(edges), frames, size, size)
    points = keypoints.float().contiguous().numpy()
    _draw_limbs(volume.numpy(), points, edges.numpy(), sigma)
    return volume


def _blank(*shape: int) -> Tensor:
    # In the order in which convolutions read: drawing touches few pixels, so that it costs nothing
    # here, while to reorder a volume costs as much as a fifth of a network's pass.
    return torch.empty(shape, memory_format=torch.channels_last_3d).zero_()


def _as_tensors(keypoints: Tensor) -> bool:
    # A network that is exported to ONNX consists of operations on tensors: it has no loops.
    return keypoints.is_cuda or torch.compiler.is_exporting()


def dense_joints(keypoints: Tensor, size: int, sigma: float) -> Tensor:
    """Compute `joint_volumes` over every pixel."""
    x, y, confidence = keypoints.float().unbind(-1)
    confidence = torch.where(confidence < SMALLEST_CONFIDENCE, 0, confidence)
    # A Gaussian is separable: 2 * size exponentials per joint instead of size^2. The square that
    # it is cut to is separable too.
    across = _profile(x, size, sigma)
    down = _profile(y, size, sigma) * confidence[..., None]
    return torch.einsum("btjh,btjw->bjthw", down, across)


def _profile(center: Tensor, size: int, sigma: float) -> Tensor:
    """Compute the truncated 1-D Gaussian around each center: (..., size)."""
    pixel = torch.arange(size, device=center.device, dtype=center.dtype)
    inside = _within(pixel, center, center, sigma)
    return torch.where(inside, torch.exp(-((pixel - center[..., None]) ** 2) / (2 * sigma**2)), 0)


def _within(pixel: Tensor, low: Tensor, high: Tensor, sigma: float) -> Tensor:
    """Tell which pixels lie from trunc(low - 3 sigma) to trunc(high + 3 sigma): (..., size).

    Args:
        pixel: Coordinates of the pixels along one axis, (size,).
        low: Where a shape begins, (...).
        high: Where it ends, (...).
        sigma: Standard deviation in pixels.
    """
    # mmaction2 cuts with int(), which rounds towards 0, so floor() would draw one pixel less or
    # more beside an edge of the map.
    first = torch.trunc(low - REACH * sigma)[..., None]
    last = torch.trunc(high + REACH * sigma)[..., None]
    return (pixel >= first) & (pixel <= last)


def dense_limbs(keypoints: Tensor, edges: Tensor, size: int, sigma: float) -> Tensor:
    """Compute `limb_volumes` over every pixel.

    Args:
        keypoints: As for `joint_volumes`.
        edges: The two joints of each limb, int64 (L, 2).
        size: Height and width of a map.
        sigma: Standard deviation across the limb, in pixels of a map.
    """
    batch, frames = keypoints.shape[:2]
    volume = keypoints.new_empty(batch, len(edges), frames, size, size, dtype=torch.float32)
    for start in range(0, frames, FRAMES_AT_ONCE):
        frame = slice(start, start + FRAMES_AT_ONCE)
        volume[:, :, frame] = _limbs(keypoints[:, frame].float(), edges, size, sigma)
    return volume


def _limbs(keypoints: Tensor, edges: Tensor, size: int, sigma: float) -> Tensor:
    # The squared distance of a pixel to the segment from a to b = a + u is |d - t u|^2, with d
    # the pixel minus a, and t = d.u / |u|^2 limited to 0 ... 1. d.u is a sum over x and y, so
    # what depends on one axis alone is computed per axis, not per pixel.
    first, last = keypoints[:, :, edges[:, 0]], keypoints[:, :, edges[:, 1]]
    u = last - first
    length = (u[..., :2] ** 2).sum(-1)
    short = length < 1
    height = torch.minimum(first[..., 2], last[..., 2])
    # Both ends of a short limb must be sure enough, but the joint drawn for it is its first end.
    height = torch.where(height < SMALLEST_CONFIDENCE, 0, torch.where(short, first[..., 2], height))
    last = torch.where(short[..., None], first, last)
    pixel = torch.arange(size, device=keypoints.device, dtype=torch.float32)
    offsets, shares, masks = [], [], []
    for axis in (0, 1):
        a, b = first[..., axis], last[..., axis]
        d = pixel - a[..., None]
        offsets.append(d)
        # t = 0 turns a short limb into a joint, and keeps 0 / 0 of a limb without length out.
        shares.append(d * torch.where(short, 0, u[..., axis] / length)[..., None])
        masks.append(_within(pixel, torch.minimum(a, b), torch.maximum(a, b), sigma))
    t = (shares[1][..., None] + shares[0][..., None, :]).clamp(0, 1)
    ux, uy = u[..., 0, None, None], u[..., 1, None, None]
    square = (offsets[0][..., None, :] - t * ux) ** 2 + (offsets[1][..., None] - t * uy) ** 2
    inside = masks[1][..., None] & masks[0][..., None, :]
    value = torch.exp(square / (-2 * sigma**2)) * height[..., None, None]
    # `where`, not a product: far outside, value can be NaN, and NaN times 0 is NaN.
    return torch.where(inside, value, 0).transpose(1, 2)


# The loops below run in the main process of a training: `nogil` lets its other threads run
# meanwhile. `cache` keeps the compiled code on disk, so that only the first process compiles.


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
    """Return the first pixel, and the one after the last, that a shape reaches along one axis.

    Args:
        low: Where the shape begins, in pixels.
        high: Where it ends, in pixels.
        sigma: Standard deviation in pixels.
        size: Pixels of the axis.
    """
    if not (low > -1e6 and high < 1e6):  # far outside, or NaN: int() would overflow
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
                first, last = keypoints[b, t, edges[limb, 0]], keypoints[b, t, edges[limb, 1]]
                height = min(first[2], last[2])
                if height < SMALLEST_CONFIDENCE:
                    continue
                ux, uy = last[0] - first[0], last[1] - first[1]
                if ux * ux + uy * uy < 1:
                    _draw_point(volume[b, limb, t], first[0], first[1], first[2], sigma)
                else:
                    _draw_segment(volume[b, limb, t], first, last, height, sigma)


@njit(cache=True, nogil=True)
def _draw_segment(image: Volume, first: Volume, last: Volume, height: float, sigma: float) -> None:
    size = image.shape[0]
    x, y = first[0], first[1]
    ux, uy = last[0] - x, last[1] - y
    length = ux * ux + uy * uy
    top, bottom = _span(min(y, last[1]), max(y, last[1]), sigma, size)
    left, right = _span(min(x, last[0]), max(x, last[0]), sigma, size)
    scale = -0.5 / (sigma * sigma)
    for row in range(top, bottom):
        dy = row - y
        for column in range(left, right):
            dx = column - x
            t = min(max((dx * ux + dy * uy) / length, 0.0), 1.0)
            square = (dx - t * ux) ** 2 + (dy - t * uy) ** 2
            image[row, column] = height * math.exp(scale * square)
