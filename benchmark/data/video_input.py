"""Video input: frames of a stored video modality -> views."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

import numpy as np

from benchmark.core.schema import Positive, Share
from benchmark.data.augmentation import PixelAugmentation
from benchmark.data.sampling import ClipLength, Sampling
from benchmark.data.transforms import (
    mirrored_frames,
    random_crop,
    scaled,
    short_side,
    square_of,
)  # fmt: skip
from benchmark.data.views import FixedViews, FramesInput, distinct

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.data.readers import PackedVideos
    from benchmark.modalities.modality import ModalityBase

    Frames: TypeAlias = NDArray[np.uint8]

_PLACES = {1: (0.5,), 3: (0.0, 0.5, 1.0)}
"""Number of crops -> where they lie along the longer side."""


class VideoInput(FramesInput):
    """Frames of a stored video modality."""

    kind: Literal["video"]
    reads: ClassVar = ("video", "person")
    frames: Positive
    """Frames that the network sees."""
    sampling: Sampling
    """Which ones."""
    size: Positive
    """Height and width of the network's input."""
    resize: Positive
    """Shorter side that frames are brought to before the center crop of test."""
    region: Literal["frame", "center"]
    """What training views are cropped from: the whole frame, or its central square."""
    crop_area: tuple[Share, Share]
    """Least and largest share of the picture that a training crop takes."""
    crop_ratio: tuple[float, float]
    """Range of width / height of the random crop in training."""
    flip: Share
    """Share of training clips that are mirrored; the labels stay."""
    views: Positive
    """Temporal views in test."""
    crops: Literal[1, 3]
    """Spatial views in test: the center, or left, center and right."""
    augmentation: PixelAugmentation | None = None
    """Changes of pixels in training; null for none."""

    def clip_views(
        self, modality: ModalityBase, folder: Path, clips: Clips, *, cache_gib: float
    ) -> VideoViews:
        from benchmark.data.readers import PackedVideos

        videos = PackedVideos(modality.frames_folder(folder), clips, cache_gib=cache_gib)
        return VideoViews(self, videos, no_motion=modality.no_motion)


class VideoViews:
    """Views of clips for training (one, random) and for test (all, fixed).

    A view is uint8 (frames, size, size, 3); the network normalizes it on the device. Where
    `no_motion` is a value, channel 0 is motion to the right, whose sign a mirror changes.
    """

    def __init__(self, spec: VideoInput, videos: PackedVideos, *, no_motion: int | None) -> None:
        self._spec, self._videos, self._no_motion = spec, videos, no_motion
        self.layout = None

    def train(self, clip_id: str, rng: np.random.Generator) -> tuple[Frames]:
        """Draw one random view: uint8 (frames, size, size, 3)."""
        spec = self._spec
        frames = self._videos.read(clip_id, self._numbers(clip_id, 1, rng)[0])
        if spec.region == "center":
            frames = square_of(frames, min(frames.shape[1:3]), 0.5)
        left, top, width, height = random_crop(
            frames.shape[2], frames.shape[1], spec.crop_area, spec.crop_ratio, rng
        )
        view = scaled(frames[:, top : top + height, left : left + width], spec.size, spec.size)
        if rng.random() < spec.flip:
            view = mirrored_frames(view, no_motion=self._no_motion)
        if spec.augmentation is not None:
            view = spec.augmentation.apply(view, rng)
        return (view,)

    def test(self, clip_id: str, *, quick: bool) -> FixedViews:
        """Give the distinct of the fixed views; only the first start and the center if `quick`.

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
        return FixedViews((np.stack(found),), np.repeat(weight / np.float32(crops), crops))

    def _numbers(
        self, clip_id: str, views: int, rng: np.random.Generator | None
    ) -> list[NDArray[np.int64]]:
        """Choose the frame numbers of each view: random with `rng`, otherwise fixed."""
        clip = ClipLength(clip_id, self._videos.num_frames(clip_id), self._spec.frames)
        return self._spec.sampling.frames(clip, views, rng)
