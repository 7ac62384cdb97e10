"""Packed video clips -> views: sampling, resize, crop, flip."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

import cv2
import numpy as np

from benchmark.modalities.flow_components import NO_MOTION
from benchmark.modalities.sampling import interval_frames, interval_starts, segment_frames
from benchmark.modalities.video_media import PackedVideos
from benchmark.params import IntervalSampling, UniformSampling

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.clips import Clips
    from benchmark.params import VideoInput

    Frames: TypeAlias = NDArray[np.uint8]


class VideoViews:
    """Views of clips for training (one, random) and for test (all, fixed).

    A view is uint8 (frames, size, size, 3); the network normalises it on the device. `components`
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

    def train(self, clip_id: str, rng: np.random.Generator) -> Frames:
        """One random view: uint8 (frames, size, size, 3)."""
        spec = self._spec
        frames = self._videos.read(clip_id, self._numbers(clip_id, 1, rng)[0])
        if spec.region == "centre":
            frames = _crop(frames, min(frames.shape[1:3]), 0.5)
        left, top, width, height = random_crop(
            frames.shape[2], frames.shape[1], spec.crop_area, spec.crop_ratio, rng
        )
        view = scaled(frames[:, top : top + height, left : left + width], spec.size, spec.size)
        return mirrored(view, components=self._components) if rng.random() < spec.flip else view

    def test(self, clip_id: str, *, quick: bool) -> Frames:
        """Fixed views; the first start and the centre only if `quick`.

        uint8 (V, frames, size, size, 3).
        """
        spec = self._spec
        views, crops = (1, 1) if quick else (spec.views, spec.crops)
        # Three crops take the whole height (mmaction2's ThreeCrop), one takes the centre.
        side = spec.size if crops == 3 else spec.resize
        found = []
        for numbers in self._numbers(clip_id, views, None):
            frames = _short_side(self._videos.read(clip_id, numbers), side)
            found += [_crop(frames, spec.size, place) for place in _PLACES[crops]]
        return np.stack(found)

    def _numbers(
        self, clip_id: str, views: int, rng: np.random.Generator | None
    ) -> list[NDArray[np.int64]]:
        """Frame numbers of each view: random with `rng`, otherwise fixed."""
        total, length = self._videos.num_frames(clip_id), self._spec.frames
        match self._spec.sampling:
            case UniformSampling():
                return segment_frames(total, length, views, rng)
            case IntervalSampling() as sampling:
                interval = sampling.interval
                starts = interval_starts(total, length, interval, views, rng)
                return [interval_frames(total, length, interval, start) for start in starts]
            case _:
                assert_never(self._spec.sampling)


_PLACES = {1: (0.5,), 3: (0.0, 0.5, 1.0)}
"""Number of crops -> where they lie along the longer side."""


def random_crop(
    width: int,
    height: int,
    area: tuple[float, float],
    ratio: tuple[float, float],
    rng: np.random.Generator,
) -> tuple[int, int, int, int]:
    """(left, top, width, height) of a random share of the area; the centre square as a last resort.

    Source: RandomResizedCrop of mmaction2 (10 tries).
    """
    for _ in range(10):
        share = rng.uniform(*area) * width * height
        aspect = float(np.exp(rng.uniform(np.log(ratio[0]), np.log(ratio[1]))))
        w, h = round(float(np.sqrt(share * aspect))), round(float(np.sqrt(share / aspect)))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1)), w, h
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side, side


def scaled(frames: Frames, width: int, height: int) -> Frames:
    """Every frame resized, bilinear: uint8 (T, height, width, 3)."""
    if frames.shape[1:3] == (height, width):
        return np.ascontiguousarray(frames)
    return np.stack([cv2.resize(frame, (width, height)) for frame in frames])


def _short_side(frames: Frames, side: int) -> Frames:
    height, width = frames.shape[1:3]
    scale = side / min(height, width)
    return scaled(frames, max(side, round(width * scale)), max(side, round(height * scale)))


def _crop(frames: Frames, size: int, place: float) -> Frames:
    """A square along the longer side: 0 its start, 0.5 its middle, 1 its end."""
    height, width = frames.shape[1:3]
    left, top = round((width - size) * place), round((height - size) * place)
    return frames[:, top : top + size, left : left + size]


def mirrored(view: Frames, *, components: bool) -> Frames:
    """The left-right mirror; of flow components the motion along x changes its sign too."""
    turned = np.ascontiguousarray(view[:, :, ::-1])
    if components:
        turned[..., 0] = (2 * NO_MOTION - turned[..., 0].astype(np.int16)).clip(0, 255)
    return turned
