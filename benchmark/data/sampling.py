"""Sampling: which frames of a clip a view holds, as pure functions of length and a generator."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.core.schema import Positive, Strict

if TYPE_CHECKING:
    from numpy.random import Generator

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
    """Choose the frames of a training view: `uniform_frames` from anywhere in a short clip."""
    start = int(rng.integers(num_frames)) if num_frames < length else 0
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
    starts = [k if num_frames < views else k * num_frames // views for k in range(views)]
    return [uniform_frames(num_frames, length, rng, start=start) for start in starts]


class UniformSampling(Strict):
    """One frame of each of as many equal segments: random in training, fixed in test."""

    kind: Literal["uniform"]

    def frames(self, clip: ClipLength, views: int, rng: Generator | None) -> list[Frames]:
        """Choose the frames of each view, in order: view v of V at (v + 1/2) / V of each segment.

        With `rng` anywhere in the segment. A clip shorter than the view repeats frames.

        Source: TSN segment sampling, Wang et al. 2016, section 3.1.
        """
        segment = clip.total / clip.view
        edges = np.arange(clip.view) * segment
        if rng is not None:
            places = [rng.random(clip.view) for _ in range(views)]
        else:
            places = [np.full(clip.view, (view + 0.5) / views) for view in range(views)]
        chosen = [(edges + place * segment).astype(np.int64) for place in places]
        return [np.minimum(frames, clip.total - 1) for frames in chosen]


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
        """Choose the frames of each view from random starts with `rng`, otherwise from even ones.

        A clip no longer than a view has the one start 0.

        Source: SampleFrames of mmaction2, train and test clips, with out_of_bound_opt='loop'.
        """
        offsets = np.arange(clip.view) * self.interval
        room = clip.total - clip.view * self.interval + 1
        if room <= 1:
            starts = [0] * views
        elif rng is not None:
            starts = [int(rng.integers(room)) for _ in range(views)]
        elif views == 1:
            starts = [room // 2]
        else:
            starts = [round(view * (room - 1) / (views - 1)) for view in range(views)]
        return [(start + offsets) % clip.total for start in starts]


Sampling: TypeAlias = Annotated[
    UniformSampling | LoopedSampling | IntervalSampling, Field(discriminator="kind")
]
