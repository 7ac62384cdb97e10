"""A hand at the person's own legs: classes 48 to 51."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.actions.lower_limb import crossed
from benchmark.synthetic.actions.steps import change
from benchmark.synthetic.gestures.motion import (
    LEFT,
    RIGHT,
    Contact,
    Leg,
    Motion,
    Take,
    Vector,
    along,
    move,
)
from benchmark.synthetic.skeleton import Control

_TOP: Vector = (0.1, -1.0, 0.0)
_DOWN: Vector = (0.0, 0.0, -1.0)
_ELBOW: Vector = (0.8, 0.25, -0.6)


def _sides(take: Take, both: float) -> tuple[int, ...]:
    return (LEFT, RIGHT) if take.chance(both) else (take.side,)


def patting_legs(take: Take) -> Motion:
    """Pat the thighs with flat hands, several times."""
    motion, w = take.motion(), take.hold(0.3, 0.3)
    phase = np.pi * take.rng.uniform(1.8, 2.6) * take.seconds
    lift = along((0.0, 0.1, 1.0), take.vary(0.15, 0.12) * np.abs(np.sin(phase)))
    for side in _sides(take, 0.6):
        motion.goals[side] = take.goal(
            Leg("upperleg01", 0.68, _TOP), Contact.PALM, (-0.15, -0.95, 0.15), _DOWN, weight=w,
            elbow=_ELBOW, curl=0.06, drift=lift,
        )  # fmt: skip
    move(motion, Control.LEAN, take.vary(0.08) * w)
    return motion


def touching_legs(take: Take) -> Motion:
    """Stroke along the thighs to the knees and hold them."""
    motion, w = take.motion(), take.hold(0.3, 0.3)
    stroke = along((0.0, -1.0, 0.0), take.vary(0.10, 0.12) * take.wave(0.9))
    for side in _sides(take, 0.7):
        motion.goals[side] = take.goal(
            Leg("upperleg01", 0.82, _TOP), Contact.PALM, (-0.1, -0.95, -0.25), _DOWN, weight=w,
            elbow=_ELBOW, curl=0.12, spread=0.3, drift=stroke,
        )  # fmt: skip
    move(motion, Control.LEAN, take.vary(0.26) * w)
    move(motion, Control.PITCH, take.vary(0.14) * w)
    return motion


def scratching_legs(take: Take) -> Motion:
    """Bend over and scratch the shin or the calf with finger tips."""
    motion, w = take.motion(), take.hold(0.45, 0.4)
    scratch = take.wave(3.0)
    motion.goals[take.side] = take.goal(
        Leg("lowerleg01", float(take.rng.uniform(0.22, 0.42)), (0.7, -0.7, 0.0)), Contact.TIPS,
        (-0.25, -0.30, -0.9), (-0.6, 0.75, 0.0), weight=w, elbow=(0.9, 0.1, 0.1),
        curl=0.3 + 0.15 * scratch, drift=along((0.0, 0.0, 1.0), take.vary(0.035) * scratch),
    )  # fmt: skip
    move(motion, Control.LEAN, take.vary(0.62, 0.1) * w)
    move(motion, Control.PITCH, take.vary(0.15) * w)
    move(motion, Control.SIDE, take.side * take.vary(0.10) * w)
    return motion


def scratching_feet(take: Take) -> Motion:
    """Lay a foot on the other knee and scratch at its ankle."""
    motion = take.motion()
    w, up = take.hold(0.5, 0.4), change(take, 0.02, 0.5)
    motion.feet[take.side] = crossed(take, up, ankle_on_knee=True)
    scratch = take.wave(3.0)
    motion.goals[-take.side] = take.goal(
        Leg("lowerleg01", 0.93, (0.3, -0.8, 0.0), across=True), Contact.TIPS, (-0.3, -0.8, -0.5),
        (-0.2, 0.35, -0.9), weight=w, elbow=(0.85, 0.25, -0.3), curl=0.3 + 0.15 * scratch,
        drift=along((0.7, 0.3, 0.2), take.vary(0.025) * scratch),
    )  # fmt: skip
    move(motion, Control.LEAN, take.vary(0.28) * w)
    move(motion, Control.PITCH, take.vary(0.40) * w)
    return motion
