"""Video input: frames of a stored video modality -> views."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from benchmark.core.schema import Positive, Share, Shares, Strict, rising
from benchmark.data.sampling import ClipLength, Sampling
from benchmark.data.transforms import (
    mirrored_frames,
    random_crop,
    scaled,
    short_side,
    sizes,
    square_of,
)  # fmt: skip
from benchmark.data.views import FixedViews, FramesInput, distinct

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.data.readers import PackedVideos
    from benchmark.modalities.modality import ModalityBase

    Frames: TypeAlias = NDArray[np.uint8]

ERASED_AREA, ERASED_RATIO = (0.02, 0.33), (0.3, 3.3)
"""Share of the picture that random erasing covers, and its height over its width."""


class RandAugment(Strict):
    """Random shifts, shears, rotations and changes of color (Cubuk et al., 2020)."""

    operations: Positive
    """One after the other."""
    magnitude: Annotated[int, Field(ge=0, le=30)]
    """Strength of each, 0 to 30."""


class PixelAugmentation(Strict):
    """What happens to the pixels of a training view, after crop and mirror, in this order.

    All frames of a view change alike: a change between frames would be a motion that is none.
    """

    randaugment: RandAugment | None
    """RandAugment; null for none."""
    color_jitter: Share
    """Brightness, contrast and saturation vary by up to this share."""
    erasing: Share
    """Share of views in which a rectangle, the same in all frames, becomes noise."""

    def apply(self, view: Frames, rng: np.random.Generator) -> Frames:
        """Change a view uint8 (T, H, W, 3) by the draws of `rng` alone."""
        import torch
        from torchvision.transforms import v2

        steps = []
        if self.randaugment is not None:
            spec = self.randaugment
            steps.append(v2.RandAugment(spec.operations, spec.magnitude, num_magnitude_bins=31))
        if self.color_jitter:
            steps.append(v2.ColorJitter(*[self.color_jitter] * 3))
        frames = torch.from_numpy(np.ascontiguousarray(view)).permute(0, 3, 1, 2)
        # torchvision draws from torch's global generator, which other code draws from as well.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**62)))
            for step in steps:
                frames = step(frames)
        changed = np.ascontiguousarray(frames.permute(0, 2, 3, 1).numpy())
        return _erased(changed, rng) if rng.random() < self.erasing else changed


def _erased(view: Frames, rng: np.random.Generator) -> Frames:
    """Fill a random rectangle with noise: ten tries, as a rectangle may not fit.

    Source: Zhong et al., Random Erasing, AAAI 2020; the same noise in every frame, as in VideoMAE.
    """
    height, width = view.shape[1:3]
    # The ratio is height over width here: the sides are swapped.
    for h, w in (map(round, size) for size in sizes(height, width, ERASED_AREA, ERASED_RATIO, rng)):
        if 0 < h < height and 0 < w < width:
            top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
            erased = view.copy()
            noise = rng.integers(0, 256, (h, w, 3), np.uint8)
            erased[:, top : top + h, left : left + w] = noise
            return erased
    return view


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
    crop_area: Shares
    """Least and largest share of the picture that a training crop takes."""
    crop_ratio: Annotated[tuple[float, float], AfterValidator(rising)]
    """Range of width / height of the random crop in training."""
    flip: Share
    """Share of training clips that are mirrored; the labels stay."""
    views: Positive
    """Temporal views in test."""
    crops: Literal[1, 3]
    """Spatial views in test: the center, or left, center and right."""
    augmentation: PixelAugmentation | None = None
    """Changes of pixels in training; null for none."""

    @model_validator(mode="after")
    def _square_fits(self) -> Self:
        # Three crops bring the shorter side to `size`, one crop brings it to `resize`.
        if self.crops == 1 and self.resize < self.size:
            raise ValueError(f"resize ({self.resize}) must be at least size ({self.size})")
        return self

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
