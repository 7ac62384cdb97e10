"""Clips of persons -> frames and keypoints of one crop, for the two pathways of one network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.data.person_box import to_box
from benchmark.data.sampling import TEST_SEED, looped_view, looped_views, rng_for
from benchmark.data.skeleton_reader import SkeletonReader
from benchmark.data.test_views import Viewed, distinct
from benchmark.data.transforms import mirrored_frames, mirrored_points, random_box, scaled
from benchmark.data.video_reader import PackedVideos

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.data.inputs import RgbPoseInput


class RgbPoseViews:
    """Views of clips for training (one, random) and for test (all, fixed).

    A view is uint8 (rgb_frames, size, size, 3) and float32 (pose_frames, J, 3): x, y in pixels of
    the heat map, confidence. Their frames are sampled apart; crop and flip are the same.

    Source: MMUniformSampleFrames, RandomResizedCrop and Flip of PYSKL's rgbpose_conv3d.
    """

    def __init__(
        self, spec: RgbPoseInput, folder: Path, clips: Clips, *, cache_gib: float = 0.0
    ) -> None:
        self._spec = spec
        self._videos = PackedVideos(folder / "video", clips, cache_gib=cache_gib)
        self._keypoints = SkeletonReader(folder / "keypoints", clips)
        self.layout = self._keypoints.layout

    def train(self, clip_id: str, rng: np.random.Generator) -> tuple[NDArray[np.generic], ...]:
        """One random view."""
        spec = self._spec
        frames, points = self._read(clip_id, self._numbers(clip_id, rng))
        side = frames.shape[1]
        box = random_box((0.0, 0.0, side, side), spec.crop_area, rng)
        left, top, width, height = (round(value) for value in box)
        box = float(left), float(top), float(width), float(height)
        frames = scaled(frames[:, top : top + height, left : left + width], spec.size, spec.size)
        map_size = round(spec.size * spec.map_scale)
        points = to_box(points, box, map_size)
        if rng.random() < spec.flip:
            frames = mirrored_frames(frames, components=False)
            points = mirrored_points(points, map_size, self.layout)
        return frames, points

    def test(self, clip_id: str, *, quick: bool) -> Viewed:
        """The distinct of the fixed views; the first one only if `quick`."""
        spec = self._spec
        rng = rng_for(TEST_SEED, "test frames", clip_id)
        total, views = self._videos.num_frames(clip_id), 1 if quick else spec.views
        rgb, pose = (
            looped_views(total, length, views, rng)
            for length in (spec.rgb_frames, spec.pose_frames)
        )
        numbers = list(zip(rgb, pose, strict=True))
        places, weight = distinct([tuple(part.tobytes() for part in both) for both in numbers])
        found = [self._whole(clip_id, numbers[place]) for place in places]
        return Viewed(tuple(np.stack(part) for part in zip(*found, strict=True)), weight)

    def _whole(
        self, clip_id: str, numbers: tuple[NDArray[np.int64], ...]
    ) -> tuple[NDArray[np.generic], ...]:
        """A view of the whole stored square."""
        spec = self._spec
        frames, points = self._read(clip_id, numbers)
        box = (0.0, 0.0, float(frames.shape[2]), float(frames.shape[1]))
        size = spec.test_size
        return scaled(frames, size, size), to_box(points, box, round(size * spec.map_scale))

    def _numbers(
        self, clip_id: str, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Random numbers of the frames of both pathways."""
        total, spec = self._videos.num_frames(clip_id), self._spec
        return looped_view(total, spec.rgb_frames, rng), looped_view(total, spec.pose_frames, rng)

    def _read(
        self, clip_id: str, numbers: tuple[NDArray[np.int64], ...]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        rgb, pose = numbers
        return self._videos.read(clip_id, rgb), self._keypoints.read(clip_id)[pose]
