"""Words for feet: a step with its parts left out where they are still, a heel that lifts."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.geometry import Array, smoothstep
from benchmark.synthetic.gestures.motion import Step, Take, Vector, along

_BALL = (0.14, 0.07)
"""Meters from the ball of the foot to the ankle: back, up."""


def change(take: Take, at: float, seconds: float) -> Array:
    """(n,) 0 before and 1 after a change that begins at about that share of the take."""
    begin = take.num_frames * at * take.rng.uniform(0.7, 1.2)
    length = max(4.0, seconds * take.rng.uniform(0.8, 1.25) * take.fps)
    length = min(length, take.num_frames - begin - 2)
    return smoothstep((np.arange(take.num_frames) - begin) / length)


def step(
    take: Take, *, shift: Array | None = None, knee: Array | None = None,
    pitch: Array | None = None, yaw: Array | None = None,
) -> Step:  # fmt: skip
    """A step; what is not given stays as it rests."""
    zero = np.zeros(take.num_frames)
    return Step(
        np.zeros((take.num_frames, 3)) if shift is None else shift,
        zero if knee is None else knee,
        zero if pitch is None else pitch,
        zero if yaw is None else yaw,
    )


def heel_up(take: Take, angle: Array) -> Step:
    """The heel lifts by `angle` (n,) radians about the ball of the foot."""
    back, up = _BALL
    to_front = back * (1 - np.cos(angle)) + up * np.sin(angle)
    higher = back * np.sin(angle) - up * (1 - np.cos(angle))
    zero = np.zeros(take.num_frames)
    return step(take, shift=np.stack([zero, to_front, higher], 1), pitch=angle)


def towards(direction: Vector, amount: Array) -> Array:
    """(n, 3) shift outward, to the front, up by `amount` (n,) meters."""
    return along(direction, amount)
