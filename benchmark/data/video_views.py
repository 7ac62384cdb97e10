"""Packed video clips -> views: sampling, resize, crop, flip."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

import numpy as np

from benchmark.data.inputs import IntervalSampling, LoopedSampling, UniformSampling
from benchmark.data.sampling import (
    TEST_SEED,
    interval_frames,
    interval_starts,
    looped_view,
    looped_views,
    rng_for,
    segment_frames,
)
from benchmark.data.test_views import Viewed, distinct
from benchmark.data.transforms import mirrored_frames, random_crop, scaled, short_side, square_of
from benchmark.data.video_reader import PackedVideos

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.data.inputs import VideoInput

    Frames: TypeAlias = NDArray[np.uint8]


_PLACES = {1: (0.5,), 3: (0.0, 0.5, 1.0)}
"""Number of crops -> where they lie along the longer side."""


class VideoViews:
    """Views of clips for training (one, random) and for test (all, fixed).

    A view is uint8 (frames, size, size, 3); the network normalizes it on the device. `components`
    says that channel 0 is motion to the right, which a mirror turns.
    """

    def __init__(
        self, spec: VideoInput, folder: Path, clips: Clips, *, cache_gib: float = 0.0,
        components: bool = False,
    ) -> None:  # fmt: skip
        self._spec = spec
        self._components = components
        self.layout = None
        self._videos = PackedVideos(folder, clips, cache_gib=cache_gib)

    def train(self, clip_id: str, rng: np.random.Generator) -> tuple[Frames]:
        """One random view: uint8 (frames, size, size, 3)."""
        spec = self._spec
        frames = self._videos.read(clip_id, self._numbers(clip_id, 1, rng)[0])
        if spec.region == "center":
            frames = square_of(frames, min(frames.shape[1:3]), 0.5)
        left, top, width, height = random_crop(
            frames.shape[2], frames.shape[1], spec.crop_area, spec.crop_ratio, rng
        )
        view = scaled(frames[:, top : top + height, left : left + width], spec.size, spec.size)
        if rng.random() < spec.flip:
            view = mirrored_frames(view, components=self._components)
        return (view,)

    def test(self, clip_id: str, *, quick: bool) -> Viewed:
        """The distinct of the fixed views; the first start and the center only if `quick`.

        uint8 (V, frames, size, size, 3).
        """
        spec = self._spec
        views, crops = (1, 1) if quick else (spec.views, spec.crops)
        # Three crops take the whole height (mmaction2's ThreeCrop), one takes the center.
        side = spec.size if crops == 3 else spec.resize
        numbers = self._numbers(clip_id, views, None)
        places, weight = distinct([one.tobytes() for one in numbers])
        found = []
        for place in places:
            frames = short_side(self._videos.read(clip_id, numbers[place]), side)
            found += [square_of(frames, spec.size, where) for where in _PLACES[crops]]
        return Viewed((np.stack(found),), np.repeat(weight / np.float32(crops), crops))

    def _numbers(
        self, clip_id: str, views: int, rng: np.random.Generator | None
    ) -> list[NDArray[np.int64]]:
        """Frame numbers of each view: random with `rng`, otherwise fixed."""
        total, length = self._videos.num_frames(clip_id), self._spec.frames
        match self._spec.sampling:
            case UniformSampling():
                return segment_frames(total, length, views, rng)
            case LoopedSampling():
                if rng is not None:
                    return [looped_view(total, length, rng)]
                return looped_views(total, length, views, rng_for(TEST_SEED, clip_id))
            case IntervalSampling() as sampling:
                interval = sampling.interval
                starts = interval_starts(total, length, interval, views, rng)
                return [interval_frames(total, length, interval, start) for start in starts]
            case _:
                assert_never(self._spec.sampling)
