"""Legs and feet without hands: classes 24 to 31."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.actions.steps import change, heel_up, step, towards
from benchmark.synthetic.gestures.motion import LEFT, RIGHT, Motion, Step, Take, move
from benchmark.synthetic.skeleton import Control


def shaking_legs(take: Take) -> Motion:
    """Shake a leg or both fast: the heel bounces, or the knees swing."""
    motion, w = take.motion(), take.hold(0.2, 0.2)
    phase = 2 * np.pi * take.rng.uniform(2.6, 3.8) * take.seconds
    swings = take.chance(0.4)
    for side in (LEFT, RIGHT) if swings or take.chance(0.4) else (take.side,):
        beat = take.vary(1.0, 0.15) * w
        if swings:
            motion.feet[side] = step(take, knee=0.30 * beat * np.sin(phase))
        else:
            motion.feet[side] = heel_up(take, 0.36 * beat * (1 - np.cos(phase)))
    return motion


def curling_legs(take: Take) -> Motion:
    """Draw a leg or both up to the trunk, the foot off the floor."""
    motion, w = take.motion(), take.hold(0.5, 0.5)
    for side in (LEFT, RIGHT) if take.chance(0.4) else (take.side,):
        high = take.vary(0.22, 0.15) * w
        shift = towards((0.0, 0.0, 1.0), high) + towards((0.0, -1.0, 0.0), 0.17 * w)
        motion.feet[side] = step(take, shift=shift, pitch=0.35 * w)
    move(motion, Control.LEAN, take.vary(0.08) * w)
    return motion


def spread_legs(take: Take) -> Motion:
    """Spread knees and feet far apart and stay there."""
    motion, w = take.motion(), change(take, 0.25, 0.5)
    _apart(take, motion, w)
    return motion


def closing_legs(take: Take) -> Motion:
    """Close knees and feet that are far apart."""
    motion, w = take.motion(), 1 - change(take, 0.25, 0.5)
    _apart(take, motion, w)
    return motion


def _apart(take: Take, motion: Motion, w: np.ndarray) -> None:
    """Spread the legs where `w` is 1, close them where it is 0."""
    width = take.vary(0.17, 0.15)
    lift = 4 * w * (1 - w) * 0.03  # off the floor on the way, 0 at both ends
    for side in (LEFT, RIGHT):
        shift = towards((1.0, 0.0, 0.0), width * w - 0.05 * (1 - w))
        shift += towards((0.0, 0.0, 1.0), lift)
        knee = 0.95 * w - 0.22 * (1 - w)
        motion.feet[side] = step(take, shift=shift, knee=knee, yaw=0.35 * w)


def crossing_legs(take: Take) -> Motion:
    """Lay one thigh over the other, or an ankle on the other knee, and stay there."""
    motion, w = take.motion(), change(take, 0.18, 0.7)
    motion.feet[take.side] = crossed(take, w, ankle_on_knee=take.chance(0.3))
    move(motion, Control.LEAN, -take.vary(0.08) * w)
    move(motion, Control.SIDE, -take.side * take.vary(0.05) * w)
    return motion


def crossed(take: Take, w: np.ndarray, *, ankle_on_knee: bool) -> Step:
    """Move the foot over the other leg: up first, then across."""
    arc = 4 * w * (1 - w)  # up and forward in the middle of the way, or the shin would cut the knee
    if ankle_on_knee:
        shift = np.array([-0.30, -0.04, 0.54]) * w[:, None]
        shift += towards((0.1, 0.4, 1.0), 0.10 * arc)
        return step(take, shift=shift, knee=1.5 * w, pitch=0.3 * w, yaw=-0.7 * w)
    shift = np.array([-0.34, 0.12, 0.22]) * w[:, None]
    shift += towards((0.2, 0.5, 1.0), 0.18 * arc)
    return step(take, shift=shift, knee=-0.25 * w, pitch=0.45 * w, yaw=-0.15 * w)


def stretching_feet(take: Take) -> Motion:
    """Put the feet far out to the front, toes up."""
    motion, w = take.motion(), change(take, 0.25, 0.5)
    _out(take, motion, w)
    return motion


def retracting_feet(take: Take) -> Motion:
    """Draw feet that are far out in front back under the chair."""
    motion, w = take.motion(), 1 - change(take, 0.25, 0.5)
    _out(take, motion, w)
    return motion


def _out(take: Take, motion: Motion, w: np.ndarray) -> None:
    """Put the feet far in front where `w` is 1, under the chair where it is 0."""
    far, near = take.vary(0.28, 0.12), take.vary(0.16, 0.2)
    lift = 0.02 * 4 * w * (1 - w)
    for side in (LEFT, RIGHT) if take.chance(0.7) else (take.side,):
        shift = towards((0.0, 1.0, 0.0), far * w - near * (1 - w))
        shift += towards((0.0, 0.0, 1.0), lift + 0.02 * w + 0.06 * (1 - w))
        motion.feet[side] = step(take, shift=shift, pitch=-0.5 * w + 0.55 * (1 - w))


def tiptoe(take: Take) -> Motion:
    """Lift the heels and hold them up, so that the knees rise."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    for side in (LEFT, RIGHT) if take.chance(0.8) else (take.side,):
        motion.feet[side] = heel_up(take, take.vary(0.85, 0.1) * w)
    return motion
