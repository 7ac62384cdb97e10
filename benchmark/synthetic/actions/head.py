"""Actions of the head without hands: classes 5 to 10."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.gestures.motion import Motion, Take, move
from benchmark.synthetic.skeleton import Control


def bowing_head(take: Take) -> Motion:
    """Bow the chin to the chest and hold it there a while."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    move(motion, Control.PITCH, take.vary(0.72, 0.15) * w)
    move(motion, Control.GAZE_PITCH, 0.25 * w)
    move(motion, Control.LEAN, take.vary(0.06) * w)
    return motion


def head_up(take: Take) -> Motion:
    """Lift the chin and look to the ceiling for a while."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    move(motion, Control.PITCH, -take.vary(0.80, 0.15) * w)
    move(motion, Control.GAZE_PITCH, -0.25 * w)
    return motion


def tilting_head(take: Take) -> Motion:
    """Tilt the head towards one shoulder."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    move(motion, Control.ROLL, take.side * take.vary(0.52, 0.15) * w)
    return motion


def turning_head(take: Take) -> Motion:
    """Turn the face to one side and look there."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    move(motion, Control.YAW, take.side * take.vary(0.95, 0.15) * w)
    move(motion, Control.GAZE_YAW, take.side * 0.3 * w)
    move(motion, Control.TWIST, take.side * take.vary(0.06) * w)
    return motion


def nodding(take: Take) -> Motion:
    """Nod down and up, twice or more."""
    motion, w = take.motion(), take.hold(0.2, 0.2)
    phase = 2 * np.pi * take.rng.uniform(1.5, 2.4) * take.seconds
    move(motion, Control.PITCH, take.vary(0.52) * (0.42 - 0.5 * np.cos(phase)) * w)
    return motion


def shaking_head(take: Take) -> Motion:
    """Shake the face left and right, twice or more."""
    motion, w = take.motion(), take.hold(0.2, 0.2)
    phase = 2 * np.pi * take.rng.uniform(1.4, 2.2) * take.seconds
    move(motion, Control.YAW, take.side * take.vary(0.44) * np.sin(phase) * w)
    move(motion, Control.ROLL, 0.05 * np.sin(phase) * w)
    return motion
