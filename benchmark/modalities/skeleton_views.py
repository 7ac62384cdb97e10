"""Keypoints -> views in heat-map pixels: sampling, compact crop, random crop, flip."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from benchmark.modalities.sampling import rng_for, test_starts, train_start, uniform_frames
from benchmark.modalities.skeleton_media import SkeletonReader

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.clips import Clips
    from benchmark.layouts import Layout
    from benchmark.params import SkeletonInput

PADDING = 0.25
"""How much the person's box is widened, of its half sides."""
SMALLEST_BOX_PX = 10
"""Boxes smaller than this are left as they are: too few points were seen."""
TEST_SEED = 255
"""Seed of the frames of test views, PYSKL's."""


class SkeletonViews:
    """Views of clips for training (one, random) and for test (all, fixed).

    A view is float32 (frames, J, 3): x, y in pixels of the heat map (side `size` in training,
    `test_size` in test), confidence.
    """

    def __init__(self, spec: SkeletonInput, folder: Path, clips: Clips) -> None:
        self._spec = spec
        self._reader = SkeletonReader(folder, clips)
        self.layout = self._reader.layout
        self._shape = {clip.clip_id: (float(clip.width), float(clip.height)) for clip in clips}

    def train(self, clip_id: str, rng: np.random.Generator) -> NDArray[np.float32]:
        """One random view: float32 (frames, J, 3)."""
        keypoints, spec = self._reader.read(clip_id), self._spec
        start = train_start(len(keypoints), spec.frames, rng)
        view = keypoints[uniform_frames(len(keypoints), spec.frames, rng, start=start)]
        box = random_box(person_box(view, self._shape[clip_id]), spec.crop_area, rng)
        view = to_box(view, box, spec.size)
        return mirrored(view, spec.size, self.layout) if rng.random() < spec.flip else view

    def test(self, clip_id: str, *, quick: bool) -> NDArray[np.float32]:
        """Fixed views, each followed by its mirror; the first one only if `quick`.

        float32 (V, frames, J, 3).
        """
        keypoints, spec = self._reader.read(clip_id), self._spec
        rng = rng_for(TEST_SEED, "test frames", clip_id)
        found = []
        for start in test_starts(len(keypoints), spec.frames, 1 if quick else spec.views):
            view = keypoints[uniform_frames(len(keypoints), spec.frames, rng, start=start)]
            view = to_box(view, person_box(view, self._shape[clip_id]), spec.test_size)
            found.append(view)
            if spec.flip_views and not quick:
                found.append(mirrored(view, spec.test_size, self.layout))
        return np.stack(found)


Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, width, height in pixels."""


def person_box(view: NDArray[np.float32], shape: tuple[float, float]) -> Box:
    """The padded square around all seen points, which may leave the image of `shape` (w, h).

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


def random_box(box: Box, area: tuple[float, float], rng: np.random.Generator) -> Box:
    """A box within `box` with a random share of its area and a ratio of 3/4 to 4/3.

    Source: RandomResizedCrop of mmaction2; falls back to the whole box after 10 tries.
    """
    left, top, width, height = box
    for _ in range(10):
        share = rng.uniform(*area) * width * height
        ratio = float(np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3))))
        w, h = float(np.sqrt(share * ratio)), float(np.sqrt(share / ratio))
        if w <= width and h <= height:
            return left + rng.uniform(0, width - w), top + rng.uniform(0, height - h), w, h
    return box


def to_box(view: NDArray[np.float32], box: Box, size: int) -> NDArray[np.float32]:
    """Coordinates relative to `box`, scaled to `size` pixels; unseen points stay 0, 0, 0."""
    left, top, width, height = box
    moved = np.empty_like(view)
    moved[..., 0] = (view[..., 0] - left) * (size / width)
    moved[..., 1] = (view[..., 1] - top) * (size / height)
    moved[..., 2] = view[..., 2]
    moved[view[..., 2] <= 0] = 0
    return moved


def mirrored(view: NDArray[np.float32], size: int, points: Layout) -> NDArray[np.float32]:
    """The left-right mirror: x turned, left and right points swapped, unseen ones stay 0, 0, 0."""
    turned = view[..., list(points.swap), :].copy()
    turned[..., 0] = size - turned[..., 0]
    turned[turned[..., 2] <= 0] = 0
    return turned
