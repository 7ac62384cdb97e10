"""Actions of the whole trunk: classes 0 to 4."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.actions.steps import change, step
from benchmark.synthetic.gestures.motion import LEFT, RIGHT, Contact, Leg, Motion, Take, move
from benchmark.synthetic.skeleton import Control


def shaking_body(take: Take) -> Motion:
    """Swing the trunk from side to side, or forward and back, two or three times."""
    motion, w = take.motion(), take.hold(0.25, 0.25)
    swing = take.wave(1.5) * w
    if take.chance(0.65):
        move(motion, Control.SIDE, take.vary(0.24) * swing)
        move(motion, Control.SLIDE, take.vary(0.03) * swing)
        move(motion, Control.ROLL, -0.10 * swing)
    else:
        move(motion, Control.LEAN, take.vary(0.22) * swing)
        move(motion, Control.PITCH, -0.10 * swing)
    return motion


def sitting_straightly(take: Take) -> Motion:
    """Rise out of a slouch and stay erect."""
    motion, up = take.motion(), change(take, 0.3, 0.55)
    slouch = 1 - up
    move(motion, Control.LEAN, take.vary(0.42) * slouch - take.vary(0.08) * up)
    move(motion, Control.RISE, take.vary(0.02) * up)
    move(motion, Control.HUNCH, take.vary(0.25) * slouch - take.vary(0.12) * up)
    move(motion, Control.CHEST, take.vary(0.06) * up)
    move(motion, Control.PITCH, take.vary(0.16) * slouch - 0.06 * up)
    return motion


def shrugging(take: Take) -> Motion:
    """Lift both shoulders to the ears and drop them, once or twice."""
    motion, w = take.motion(), take.hold(0.25, 0.3)
    if take.chance(0.35):
        w = w * np.abs(np.cos(np.pi * np.arange(take.num_frames) / take.num_frames)) ** 0.5
    for shoulder in (Control.SHRUG_LEFT, Control.SHRUG_RIGHT):
        move(motion, shoulder, take.vary(0.5) * w)
    move(motion, Control.SINK, take.vary(0.025) * w)
    move(motion, Control.ROLL, take.side * take.vary(0.12, 0.8) * w)
    return motion


def turning_around(take: Take) -> Motion:
    """Turn trunk and head far to one side, as if somebody stood behind."""
    motion, w = take.motion(), take.hold(0.5, 0.5)
    move(motion, Control.TWIST, take.side * take.vary(1.0, 0.15) * w)
    move(motion, Control.YAW, take.side * take.vary(0.55) * w)
    move(motion, Control.SIDE, take.side * take.vary(0.10) * w)
    for side in (LEFT, RIGHT):
        motion.feet[side] = step(take, yaw=0.15 * side * take.side * w)
    return motion


def rising_up(take: Take) -> Motion:
    """Rise from the seat, hands on the thighs: forward, then up; some sit down again."""
    motion = take.motion()
    again = take.chance(0.35)
    up = take.hold(0.5, 0.5) if again else change(take, 0.35, 0.6)
    bend = 4 * up * (1 - up) if not again else up
    height = min(take.vary(0.21), 0.25)  # a short person's feet would leave the floor
    move(motion, Control.RISE, height * up)
    move(motion, Control.ADVANCE, take.vary(0.20, 0.15) * up)
    move(motion, Control.LEAN, take.vary(0.30) * bend + 0.12 * up)
    move(motion, Control.PITCH, -0.2 * bend)
    for side in (LEFT, RIGHT):
        motion.goals[side] = take.goal(
            Leg("upperleg01", 0.75, (0.2, -1.0, 0.0)), Contact.PALM, (-0.2, -0.9, -0.3),
            (0.0, 0.0, -1.0), weight=np.minimum(1.0, 2.5 * up), elbow=(0.6, 0.5, -0.6), curl=0.15,
            arc=(0.02, 0.0, 0.02),
        )  # fmt: skip
    return motion
