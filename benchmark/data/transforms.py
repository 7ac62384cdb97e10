"""Crops, mirrors and sizes of views: of points and of frames alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from benchmark.contracts.skeletons import Layout
    from benchmark.data.person_box import Box

    Frames: TypeAlias = NDArray[np.uint8]


def sizes(
    width: float, height: float, area: tuple[float, float], ratio: tuple[float, float],
    rng: np.random.Generator,
) -> Iterator[tuple[float, float]]:  # fmt: skip
    """Draw ten sizes of a random share of an area and a random ratio; some do not fit into it.

    Args:
        width: Of the area, in pixels.
        height: Of the area, in pixels.
        area: Smallest and largest share.
        ratio: Smallest and largest width over height.
        rng: Draws.
    """
    for _ in range(10):
        share = rng.uniform(*area) * width * height
        drawn = float(np.exp(rng.uniform(np.log(ratio[0]), np.log(ratio[1]))))
        yield float(np.sqrt(share * drawn)), float(np.sqrt(share / drawn))


def random_box(box: Box, area: tuple[float, float], rng: np.random.Generator) -> Box:
    """Draw a box within `box`: a random share of its area, a ratio of 3/4 to 4/3.

    Source: RandomResizedCrop of mmaction2; falls back to the whole box after 10 tries.
    """
    left, top, width, height = box
    for w, h in sizes(width, height, area, (3 / 4, 4 / 3), rng):
        if w <= width and h <= height:
            return left + rng.uniform(0, width - w), top + rng.uniform(0, height - h), w, h
    return box


def mirrored_points(view: NDArray[np.float32], size: int, points: Layout) -> NDArray[np.float32]:
    """Mirror left and right: x turned, paired points swapped, unseen ones stay 0, 0, 0."""
    turned = view[..., list(points.swap), :].copy()
    turned[..., 0] = size - turned[..., 0]
    turned[turned[..., 2] <= 0] = 0
    return turned


def random_crop(
    width: int, height: int, area: tuple[float, float], ratio: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Draw a crop (left, top, width, height); the center square as a last resort.

    Args:
        width: Pixels of the frame.
        height: Pixels of the frame.
        area: Least and largest share of the frame's area.
        ratio: Least and largest width / height.
        rng: Draws the crop.

    Source: RandomResizedCrop of mmaction2 (10 tries).
    """
    for w, h in (map(round, size) for size in sizes(width, height, area, ratio, rng)):
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1)), w, h
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side, side


def scaled(frames: Frames, width: int, height: int) -> Frames:
    """Resize every frame, bilinear: uint8 (T, height, width, 3)."""
    if frames.shape[1:3] == (height, width):
        return np.ascontiguousarray(frames)
    import cv2  # here, so that reading params does not load it

    return np.stack([cv2.resize(frame, (width, height)) for frame in frames])


def short_side(frames: Frames, side: int) -> Frames:
    """Resize every frame to a shorter side of `side` pixels, its ratio kept."""
    height, width = frames.shape[1:3]
    scale = side / min(height, width)
    return scaled(frames, max(side, round(width * scale)), max(side, round(height * scale)))


def square_of(frames: Frames, size: int, place: float) -> Frames:
    """Cut a square along the longer side: 0 its start, 0.5 its middle, 1 its end."""
    height, width = frames.shape[1:3]
    left, top = round((width - size) * place), round((height - size) * place)
    return frames[:, top : top + size, left : left + size]


def mirrored_frames(view: Frames, *, no_motion: int | None) -> Frames:
    """Mirror left and right; motion in channel 0, around `no_motion`, changes its sign."""
    turned = np.ascontiguousarray(view[:, :, ::-1])
    if no_motion is not None:
        turned[..., 0] = (2 * no_motion - turned[..., 0].astype(np.int16)).clip(0, 255)
    return turned
