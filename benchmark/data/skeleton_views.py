"""Keypoints -> views in heat-map pixels: sampling, compact crop, random crop, flip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.data.person_box import person_box, to_box
from benchmark.data.sampling import TEST_SEED, looped_view, looped_views, rng_for
from benchmark.data.skeleton_reader import SkeletonReader
from benchmark.data.test_views import Viewed, distinct
from benchmark.data.transforms import mirrored_points, random_box

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.data.inputs import SkeletonInput


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

    def train(self, clip_id: str, rng: np.random.Generator) -> tuple[NDArray[np.float32]]:
        """One random view: float32 (frames, J, 3)."""
        keypoints, spec = self._reader.read(clip_id), self._spec
        view = keypoints[looped_view(len(keypoints), spec.frames, rng)]
        box = random_box(person_box(view, self._shape[clip_id]), spec.crop_area, rng)
        view = to_box(view, box, spec.size)
        return (
            mirrored_points(view, spec.size, self.layout) if rng.random() < spec.flip else view,
        )

    def test(self, clip_id: str, *, quick: bool) -> Viewed:
        """The distinct of the fixed views, each followed by its mirror; the first only if `quick`.

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
        return Viewed((np.stack(found),), np.repeat(weight / np.float32(sides), sides))
