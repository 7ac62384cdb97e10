"""RGB and pose input: person crops -> frames and keypoints of one crop, for two pathways."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.core.schema import AboveZero, Positive, Share, Shares
from benchmark.data.person_box import to_box
from benchmark.data.sampling import TEST_SEED, looped_view, looped_views, rng_for
from benchmark.data.transforms import mirrored_frames, mirrored_points, random_box, scaled
from benchmark.data.views import FixedViews, FramesInput, Stream, distinct

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.data.readers import PackedVideos, SkeletonReader
    from benchmark.modalities.modality import ModalityBase


class RgbPoseInput(FramesInput):
    """Frames of a person and the heat maps of the same crop, for the two pathways of one network.

    Reads the modality of kind `person_crop`.
    """

    kind: Literal["rgb_pose"]
    reads: ClassVar = ("person",)
    stream: Stream
    """Which maps the skeleton's pathway sees."""
    rgb_frames: Positive
    """Frames that the RGB pathway sees."""
    pose_frames: Positive
    """Sampled apart from the RGB frames; their number is the network's `speed_ratio` times them."""
    size: Positive
    """Height and width of the RGB frames in training, after a random crop."""
    test_size: Positive
    """Height and width in test, where the whole person is seen."""
    map_scale: Annotated[float, Field(gt=0, le=1)]
    """Side of a heat map over the side of a frame."""
    sigma: AboveZero
    """Standard deviation of a joint's Gaussian in heat-map pixels."""
    crop_area: Shares
    """Least and largest share of the picture that a training crop takes."""
    flip: Share
    """Share of training clips that are mirrored."""
    views: Positive
    """Temporal views in test."""

    def map_side(self, side: int) -> int:
        """Return the side in pixels of the heat maps beside frames of `side` pixels."""
        return round(side * self.map_scale)

    def clip_views(
        self, modality: ModalityBase, folder: Path, clips: Clips, *, cache_gib: float
    ) -> RgbPoseViews:
        from benchmark.data.readers import PackedVideos, SkeletonReader

        videos = PackedVideos(modality.frames_folder(folder), clips, cache_gib=cache_gib)
        return RgbPoseViews(self, videos, SkeletonReader(modality.keypoints_folder(folder), clips))


class RgbPoseViews:
    """Views of clips for training (one, random) and for test (all, fixed).

    A view is uint8 (rgb_frames, size, size, 3) and float32 (pose_frames, J, 3): x, y in pixels of
    the heat map, confidence. Their frames are sampled apart; crop and flip are the same.

    Source: MMUniformSampleFrames, RandomResizedCrop and Flip of PYSKL's rgbpose_conv3d.
    """

    def __init__(self, spec: RgbPoseInput, videos: PackedVideos, keypoints: SkeletonReader) -> None:
        self._spec, self._videos, self._keypoints = spec, videos, keypoints
        self.layout = keypoints.layout

    def train(self, clip_id: str, rng: np.random.Generator) -> tuple[NDArray[np.generic], ...]:
        spec = self._spec
        frames, points = self._read(clip_id, self._numbers(clip_id, rng))
        side = frames.shape[1]
        box = random_box((0.0, 0.0, side, side), spec.crop_area, rng)
        left, top, width, height = (round(value) for value in box)
        box = float(left), float(top), float(width), float(height)
        frames = scaled(frames[:, top : top + height, left : left + width], spec.size, spec.size)
        map_size = spec.map_side(spec.size)
        points = to_box(points, box, map_size)
        if rng.random() < spec.flip:
            frames = mirrored_frames(frames, no_motion=None)
            points = mirrored_points(points, map_size, self.layout)
        return frames, points

    def test(self, clip_id: str, *, quick: bool) -> FixedViews:
        spec = self._spec
        rng = rng_for(TEST_SEED, "test frames", clip_id)
        total, views = self._videos.num_frames(clip_id), 1 if quick else spec.views
        rgb, pose = (
            looped_views(total, length, views, rng)
            for length in (spec.rgb_frames, spec.pose_frames)
        )
        numbers = list(zip(rgb, pose, strict=True))
        places, weight = distinct([tuple(part.tobytes() for part in both) for both in numbers])
        found, size = [], spec.test_size
        for place in places:
            frames, points = self._read(clip_id, numbers[place])
            box = (0.0, 0.0, float(frames.shape[2]), float(frames.shape[1]))
            found.append((scaled(frames, size, size), to_box(points, box, spec.map_side(size))))
        return FixedViews(tuple(np.stack(part) for part in zip(*found, strict=True)), weight)

    def _numbers(
        self, clip_id: str, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw the frame numbers of both pathways."""
        total, spec = self._videos.num_frames(clip_id), self._spec
        return looped_view(total, spec.rgb_frames, rng), looped_view(total, spec.pose_frames, rng)

    def _read(
        self, clip_id: str, numbers: tuple[NDArray[np.int64], ...]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        rgb, pose = numbers
        return self._videos.read(clip_id, rgb), self._keypoints.read(clip_id)[pose]
