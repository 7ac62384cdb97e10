"""Region crops: a square that follows a part of the person, such as the head or a hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.core.errors import ParamsError
from benchmark.core.schema import AboveZero, Line, NotNegative
from benchmark.data.person_box import person_box
from benchmark.modalities.person_crop import PersonCropModality

if TYPE_CHECKING:
    from benchmark.contracts.skeletons import Layout

USUAL = 0.9
"""Share of the frames whose extent of the region fits into the square without its margin."""
LEAST = 0.2
"""Least side of the square over that of the person: one seen point has no extent."""
FASTEST = 0.1
"""Most that the square moves from one frame to the next, over its side."""
MEDIAN = 5
"""Frames of the median that removes a point that is wrong for a frame or two."""


class RegionCropModality(PersonCropModality):
    """RGB clips cut to a square that follows some points, and the keypoints in its pixels.

    The square has one size per clip. Its middle is that of the seen points, interpolated where none
    is seen, and smoothed; it never jumps. Where no frame of a clip shows a point, the square is the
    person's.
    """

    kind: Literal["region_crop"]  # pyright: ignore[reportIncompatibleVariableOverride]
    content: ClassVar = "person"
    points: tuple[Line, ...] = Field(min_length=1)
    """Points of the layout to follow, by the beginnings of their names: `left hand` is all points
    of that hand."""
    margin: AboveZero
    """Side of the square over the extent of the points."""
    smoothing: NotNegative
    """Standard deviation in frames of the Gaussian that smooths its path; 0 for none."""

    def boxes(
        self, view: NDArray[np.float32], layout: Layout, shape: tuple[float, float]
    ) -> NDArray[np.int32]:
        from scipy.ndimage import gaussian_filter1d, median_filter

        follow = [k for k, name in enumerate(layout.names) if name.startswith(self.points)]
        points = view[:, follow]
        seen = points[..., 2] > 0
        person = person_box(view, shape)
        frames = np.flatnonzero(seen.any(1))
        if not frames.size:
            return np.tile(np.array(person, np.int32), (len(view), 1))
        xy = points[frames, :, :2].astype(np.float64)
        unseen = ~seen[frames][..., None]
        low = np.where(unseen, np.inf, xy).min(1)
        high = np.where(unseen, -np.inf, xy).max(1)
        extent = np.quantile((high - low).max(1), USUAL)
        side = max(2, round(max(self.margin * extent, LEAST * max(person[2:]))))
        middle, every = (low + high) / 2, np.arange(len(view))
        path = np.stack([np.interp(every, frames, middle[:, k]) for k in (0, 1)], 1)
        path = median_filter(path, size=(MEDIAN, 1), mode="nearest")
        if self.smoothing:
            path = gaussian_filter1d(path, self.smoothing, axis=0, mode="nearest")
        corners = np.rint(_slowed(path, FASTEST * side) - side / 2)
        return np.hstack([corners, np.full_like(corners, side)]).astype(np.int32)

    def check(self, layout: Layout) -> None:
        for start in self.points:
            if not any(name.startswith(start) for name in layout.names):
                names = ", ".join(layout.names)
                expected = f"the beginning of a name of {layout.name}: {names}"
                raise ParamsError("points", f"no point '{start}'", expected=expected)


def _slowed(path: NDArray[np.float64], most: float) -> NDArray[np.float64]:
    """Follow a path (T, 2) by steps of at most `most` pixels."""
    slow = path.copy()
    for k in range(1, len(path)):
        step = path[k] - slow[k - 1]
        length = float(np.hypot(*step))
        slow[k] = slow[k - 1] + step * min(1.0, most / max(length, 1e-9))
    return slow
