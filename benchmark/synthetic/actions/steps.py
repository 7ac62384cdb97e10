"""Compose the steps of feet: changes over time, steps of which most parts rest, lifted heels."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.geometry import Array, smoothstep
from benchmark.synthetic.gestures.motion import Step, Take, Vector, along

_BALL = (0.14, 0.07)
"""Meters from the ball of the foot to the ankle: back, up."""


def change(take: Take, at: float, seconds: float) -> Array:
    """Compute (n,) 0 before and 1 after a change that begins at about that share of the take."""
    begin = take.num_frames * at * take.rng.uniform(0.7, 1.2)
    length = max(4.0, seconds * take.rng.uniform(0.8, 1.25) * take.fps)
    # The end state has to be seen, however short the take is.
    length = min(length, take.num_frames - begin - 2)
    return smoothstep((np.arange(take.num_frames) - begin) / length)


def step(
    take: Take, *, shift: Array | None = None, knee: Array | None = None,
    pitch: Array | None = None, yaw: Array | None = None,
) -> Step:  # fmt: skip
    """Make a step; what is not given rests.

    Args:
        take: The performance, of n frames.
        shift: (n, 3) meters that the ankle moves: outward, to the front, up.
        knee: (n,) how much farther outward the knee points.
        pitch: (n,) radians that the toes turn down.
        yaw: (n,) radians that the toes turn outward.
    """
    zero = np.zeros(take.num_frames)
    return Step(
        np.zeros((take.num_frames, 3)) if shift is None else shift,
        zero if knee is None else knee,
        zero if pitch is None else pitch,
        zero if yaw is None else yaw,
    )


def heel_up(take: Take, angle: Array) -> Step:
    """Lift the heel by `angle` (n,) radians about the ball of the foot."""
    back, up = _BALL
    to_front = back * (1 - np.cos(angle)) + up * np.sin(angle)
    higher = back * np.sin(angle) - up * (1 - np.cos(angle))
    zero = np.zeros(take.num_frames)
    return step(take, shift=np.stack([zero, to_front, higher], 1), pitch=angle)


def towards(direction: Vector, amount: Array) -> Array:
    """Compute (n, 3) shift outward, to the front, up by `amount` (n,) meters."""
    return along(direction, amount)
