"""Sampling: which frames of a clip a view holds, as pure functions of length and a generator."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeAlias

import numpy as np
from pydantic import Field

from benchmark.core.schema import Positive, Strict

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    Frames: TypeAlias = NDArray[np.int64]

TEST_SEED = 255
"""Seed of the frames of test views, PYSKL's."""


class ClipLength(NamedTuple):
    """A clip, as far as sampling asks for it."""

    clip_id: str
    total: int
    """Frames of the clip."""
    view: int
    """Frames of a view."""


def rng_for(*key: object) -> np.random.Generator:
    """Make a generator that depends on the values of `key` alone (seed, purpose, clip ...)."""
    text = "/".join(str(part) for part in key)
    return np.random.default_rng(
        int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")
    )


def uniform_frames(
    num_frames: int, length: int, rng: np.random.Generator, *, start: int = 0
) -> NDArray[np.int64]:
    """Spread `length` frames over a clip: int64 (length,) in [0, num_frames).

    A clip shorter than `length` is walked from `start` and begins again at its end. One shorter
    than `2 * length` keeps its order with random gaps; a longer one gives one random frame of
    each of `length` equal segments.

    Args:
        num_frames: Frames of the clip.
        length: Frames of the view.
        rng: Draws gaps and places.
        start: First frame in a clip shorter than the view.

    Source: UniformSampleFrames of PYSKL (Duan et al., 2022), section 3.2 of PoseConv3D.
    """
    if num_frames < length:
        return (start + np.arange(length)) % num_frames
    if num_frames < 2 * length:
        gaps = rng.choice(length + 1, num_frames - length, replace=False)
        skip = np.zeros(length + 1, np.int64)
        skip[gaps] = 1
        return np.arange(length) + np.cumsum(skip)[:-1]
    edges = np.arange(length + 1) * num_frames // length
    return edges[:-1] + rng.integers(0, np.diff(edges))


def looped_view(num_frames: int, length: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose the frames of a training view: `uniform_frames` from anywhere."""
    start = train_start(num_frames, length, rng)
    return uniform_frames(num_frames, length, rng, start=start)


def looped_views(
    num_frames: int, length: int, views: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Choose the frames of each test view: `uniform_frames` from starts spread over a short clip.

    Args:
        num_frames: Frames of the clip.
        length: Frames of a view.
        views: Views.
        rng: Draws gaps and places, one view after the other.
    """
    return [
        uniform_frames(num_frames, length, rng, start=start)
        for start in test_starts(num_frames, length, views)
    ]


def train_start(num_frames: int, length: int, rng: np.random.Generator) -> int:
    """Draw where training starts in a clip shorter than a view: anywhere."""
    return int(rng.integers(num_frames)) if num_frames < length else 0


def test_starts(num_frames: int, length: int, views: int) -> list[int]:
    """Spread the starts of the `views` test views over a clip shorter than a view."""
    if num_frames >= length:
        return [0] * views
    return [view if num_frames < views else view * num_frames // views for view in range(views)]


def segment_frames(
    num_frames: int, length: int, views: int, rng: np.random.Generator | None
) -> list[NDArray[np.int64]]:
    """Choose for each view one frame of each of `length` equal segments: int64 (length,), in order.

    With `rng` anywhere in the segment; otherwise view v of V at (v + 1/2) / V of it. A clip
    shorter than `length` repeats frames.

    Args:
        num_frames: Frames of the clip.
        length: Frames of a view.
        views: Views.
        rng: Draws the place in each segment; None for fixed places.

    Source: TSN segment sampling, Wang et al. 2016, section 3.1.
    """
    edges = np.arange(length) * (num_frames / length)
    if rng is not None:
        places = [rng.random(length) for _ in range(views)]
    else:
        places = [np.full(length, (view + 0.5) / views) for view in range(views)]
    last = num_frames - 1
    return [
        np.minimum((edges + place * (num_frames / length)).astype(np.int64), last)
        for place in places
    ]


def interval_frames(num_frames: int, length: int, interval: int, start: int) -> NDArray[np.int64]:
    """Choose `length` frames, `interval` apart from `start`, looping past the end: int64.

    Args:
        num_frames: Frames of the clip.
        length: Frames of the view.
        interval: Frames from one to the next.
        start: First frame.

    Source: SampleFrames of mmaction2 with out_of_bound_opt='loop'.
    """
    return (start + np.arange(length) * interval) % num_frames


def interval_starts(
    num_frames: int, length: int, interval: int, views: int, rng: np.random.Generator | None
) -> list[int]:
    """Choose the first frames of `views` views: random with `rng`, otherwise spread evenly.

    A clip no longer than a view has the one start 0.

    Args:
        num_frames: Frames of the clip.
        length: Frames of a view.
        interval: Frames from one to the next.
        views: Views.
        rng: Draws the starts; None for fixed ones.

    Source: SampleFrames of mmaction2, train and test clips.
    """
    room = num_frames - length * interval + 1
    if room <= 1:
        return [0] * views
    if rng is not None:
        return [int(rng.integers(room)) for _ in range(views)]
    if views == 1:
        return [room // 2]
    return [round(view * (room - 1) / (views - 1)) for view in range(views)]


class UniformSampling(Strict):
    """One frame of each of as many equal segments: random in training, fixed in test."""

    kind: Literal["uniform"]

    def frames(self, clip: ClipLength, views: int, rng: Generator | None) -> list[Frames]:
        """Choose the frames of each view; random with `rng`, otherwise fixed."""
        return segment_frames(clip.total, clip.view, views, rng)


class LoopedSampling(Strict):
    """As the frames of a skeleton: a clip shorter than the view starts again at its end."""

    kind: Literal["looped"]

    def frames(self, clip: ClipLength, views: int, rng: Generator | None) -> list[Frames]:
        """Choose the frames of each view; random with `rng`, otherwise fixed."""
        if rng is not None:
            return [looped_view(clip.total, clip.view, rng)]
        return looped_views(clip.total, clip.view, views, rng_for(TEST_SEED, clip.clip_id))


class IntervalSampling(Strict):
    """Frames at a fixed distance; past the end the clip starts again."""

    kind: Literal["interval"]
    interval: Positive
    """Frames from one to the next."""

    def frames(self, clip: ClipLength, views: int, rng: Generator | None) -> list[Frames]:
        """Choose the frames of each view; random with `rng`, otherwise fixed."""
        starts = interval_starts(clip.total, clip.view, self.interval, views, rng)
        return [interval_frames(clip.total, clip.view, self.interval, start) for start in starts]


Sampling: TypeAlias = Annotated[
    UniformSampling | LoopedSampling | IntervalSampling, Field(discriminator="kind")
]
