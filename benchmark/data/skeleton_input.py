"""Skeleton input: keypoints -> views in heat-map pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.core.schema import AboveZero, Positive, Share, Shares
from benchmark.data.person_box import person_box, to_box
from benchmark.data.sampling import TEST_SEED, looped_view, looped_views, rng_for
from benchmark.data.transforms import mirrored_points, random_box
from benchmark.data.views import FixedViews, InputBase, Stream, distinct

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.modalities.modality import ModalityBase


class SkeletonInput(InputBase):
    """Heat-map volumes, made on the device from keypoints."""

    kind: Literal["skeleton"]
    reads: ClassVar = ("keypoints",)
    stream: Stream
    """A map of each joint, or of each limb."""
    frames: Positive
    """Frames of one view, sampled uniformly over the clip."""
    size: Positive
    """Height and width of the heat maps in training, after a random crop."""
    test_size: Positive
    """Height and width in test, where the whole person is seen."""
    sigma: AboveZero
    """Standard deviation of a joint's Gaussian in heat-map pixels."""
    crop_area: Shares
    """Range of the random crop's share of the area in training."""
    flip: Share
    """Probability of a left-right flip in training."""
    views: Positive
    """Temporal views in test; each also flipped where `flip_views`."""
    flip_views: bool
    """Whether test sees each view mirrored too."""

    def clip_views(
        self, modality: ModalityBase, folder: Path, clips: Clips, *, cache_gib: float
    ) -> SkeletonViews:
        return SkeletonViews(self, modality.keypoints_folder(folder), clips)


class SkeletonViews:
    """Views of clips for training (one, random) and for test (all, fixed).

    A view is float32 (frames, J, 3): x, y in pixels of the heat map (side `size` in training,
    `test_size` in test), confidence.
    """

    def __init__(self, spec: SkeletonInput, folder: Path, clips: Clips) -> None:
        from benchmark.data.readers import SkeletonReader

        self._spec = spec
        self._reader = SkeletonReader(folder, clips)
        self.layout = self._reader.layout
        self._shape = {clip.clip_id: (float(clip.width), float(clip.height)) for clip in clips}

    def train(self, clip_id: str, rng: np.random.Generator) -> tuple[NDArray[np.float32]]:
        """Draw one random view: float32 (frames, J, 3)."""
        keypoints, spec = self._reader.read(clip_id), self._spec
        view = keypoints[looped_view(len(keypoints), spec.frames, rng)]
        box = random_box(person_box(view, self._shape[clip_id]), spec.crop_area, rng)
        view = to_box(view, box, spec.size)
        return (
            mirrored_points(view, spec.size, self.layout) if rng.random() < spec.flip else view,
        )

    def test(self, clip_id: str, *, quick: bool) -> FixedViews:
        """Give the distinct fixed views, each followed by its mirror; only the first if `quick`.

        float32 (V, frames, J, 3).
        """
        keypoints, spec = self._reader.read(clip_id), self._spec
        rng = rng_for(TEST_SEED, "test frames", clip_id)
        views, mirrors = 1 if quick else spec.views, spec.flip_views and not quick
        numbers = looped_views(len(keypoints), spec.frames, views, rng)
        places, weight = distinct([one.tobytes() for one in numbers])
        found = []
        for place in places:
            view = keypoints[numbers[place]]
            view = to_box(view, person_box(view, self._shape[clip_id]), spec.test_size)
            found.append(view)
            if mirrors:
                found.append(mirrored_points(view, spec.test_size, self.layout))
        sides = 1 + mirrors
        return FixedViews((np.stack(found),), np.repeat(weight / np.float32(sides), sides))
