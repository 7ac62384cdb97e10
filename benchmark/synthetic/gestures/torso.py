"""Gestures of torso and shoulders: classes 19, 20, 30."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.geometry import smoothstep
from benchmark.synthetic.gestures.motion import Motion, Take, move
from benchmark.synthetic.skeleton import Control


def move_torso(take: Take) -> Motion:
    """Sway, twist or rock the trunk and come back."""
    motion, w = take.motion(), take.hold(0.45, 0.45)
    swing = take.wave(take.rng.uniform(0.5, 1.1)) * w
    kind = int(take.rng.integers(3))
    if kind == 0:
        move(motion, Control.SIDE, take.vary(0.17) * swing)
        move(motion, Control.SLIDE, take.vary(0.035) * swing)
        move(motion, Control.ROLL, -0.08 * swing)
    elif kind == 1:
        move(motion, Control.TWIST, take.vary(0.36) * swing)
        move(motion, Control.YAW, -0.2 * swing)
    else:
        move(motion, Control.LEAN, take.vary(0.20) * swing)
        move(motion, Control.ADVANCE, take.vary(0.03) * swing)
        move(motion, Control.PITCH, -0.15 * swing)
    move(motion, Control.SIDE, take.side * take.vary(0.05) * w)
    return motion


def sit_straight(take: Take) -> Motion:
    """Rise out of a slouch and stay erect."""
    motion, w = take.motion(), take.hold(0.3, 0.5)
    # The class is the rise, not the height: the slouch before it is part of the gesture.
    up = smoothstep((np.arange(take.num_frames) / take.num_frames - 0.22) / 0.3)
    move(motion, Control.LEAN, (take.vary(0.10) * (1 - up) - take.vary(0.13) * up) * w)
    move(motion, Control.RISE, (take.vary(0.040) * up - 0.012 * (1 - up)) * w)
    move(motion, Control.CHEST, take.vary(0.06) * up * w)
    move(motion, Control.HUNCH, -take.vary(0.12) * up * w)
    move(motion, Control.PITCH, 0.05 * (1 - up) * w)
    return motion


def shake_shoulders(take: Take) -> Motion:
    """Shake the shoulders up and down, together or in turn."""
    motion, w = take.motion(), take.hold(0.2, 0.2)
    hertz = take.rng.uniform(1.1, 2.2)
    phase = 2 * np.pi * hertz * take.seconds
    both = take.chance(0.55)
    size = take.vary(0.20, 0.5)
    left = 0.5 - 0.5 * np.cos(phase)
    right = left if both else 0.5 + 0.5 * np.cos(phase)
    move(motion, Control.SHRUG_LEFT, size * left * w * (1.0 if both or take.side > 0 else 0.6))
    move(motion, Control.SHRUG_RIGHT, size * right * w * (1.0 if both or take.side < 0 else 0.6))
    move(motion, Control.HUNCH, 0.05 * take.wave(hertz) * w)
    if not both:
        move(motion, Control.TWIST, take.vary(0.08) * np.sin(phase) * w)
        move(motion, Control.SIDE, 0.04 * np.cos(phase) * w)
    return motion
