"""A hand at the person's own trunk or head: classes 33, 35, 39, 41, 43, 45 to 47.

`gestures.body_hand` and `gestures.head_hand` hold the programs of the other classes of that kind.
"""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.gestures.motion import (
    LEFT,
    RIGHT,
    Axes,
    Contact,
    Motion,
    Take,
    Vector,
    act,
    along,
    move,
    places,
)
from benchmark.synthetic.skeleton import Control

_UP: Vector = (-0.45, 0.25, 0.85)
_TO_FACE: Vector = (-0.2, 0.95, 0.0)
_ELBOW_LOW: Vector = (0.55, -0.25, -0.8)


def touching_chest(take: Take) -> Motion:
    """Rub the breast up and down with the flat hand."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    rub = along((0.3, 0.0, 1.0), take.vary(0.035) * take.wave(1.7))
    rub += along((0.0, -1.0, 0.0), np.full(take.num_frames, 0.012))
    motion.goals[take.side] = take.goal(
        places(take.side)["breast"], Contact.PALM, (-0.9, 0.1, 0.3), (0.0, 0.97, 0.1),
        weight=w, elbow=(0.8, 0.0, -0.6), curl=0.1, drift=rub,
    )  # fmt: skip
    return motion


def touching_shoulder(take: Take) -> Motion:
    """Reach across and rub the other shoulder."""
    motion, w = take.motion(), take.hold(0.45, 0.45)
    rub = along((0.8, -0.1, 0.3), take.vary(0.02) * take.wave(2.0))
    motion.goals[take.side] = take.goal(
        places(take.side)["other shoulder"], Contact.TIPS, (-0.75, 0.65, 0.2), (-0.25, 0.3, -0.9),
        weight=w, elbow=(0.25, -0.85, -0.35), curl=0.2, drift=rub, arc=(0.0, -0.14, 0.0),
    )  # fmt: skip
    move(motion, Control.YAW, -take.side * take.vary(0.12) * w)
    return motion


def touching_hindbrain(take: Take) -> Motion:
    """Scratch the back of the head, elbow high."""
    motion, w = take.motion(), take.hold(0.5, 0.5)
    scratch = take.wave(2.6)
    motion.goals[take.side] = take.goal(
        places(take.side)["behind"], Contact.TIPS, (-0.75, 0.55, 0.35), (-0.45, -0.85, 0.0),
        weight=w, elbow=(0.95, -0.1, 0.25), curl=0.25 + 0.1 * scratch, axes=Axes.HEAD,
        drift=along((0.2, 0.1, 1.0), take.vary(0.014) * scratch), arc=(0.16, -0.02, 0.04),
    )  # fmt: skip
    move(motion, Control.PITCH, take.vary(0.26) * w)
    move(motion, Control.YAW, take.side * take.vary(0.10) * w)
    return motion


def touching_face(take: Take) -> Motion:
    """Rub cheek or jaw with finger tips."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    rub = along((0.2, 0.2, 1.0), take.vary(0.020) * take.wave(1.9))
    where = "cheek" if take.chance(0.7) else "jaw"
    motion.goals[take.side] = take.goal(
        places(take.side)[where], Contact.TIPS, (-0.15, 0.30, 0.95), (-0.75, 0.6, 0.0),
        weight=w, elbow=(0.75, -0.3, -0.65), curl=0.15, spread=0.3, drift=rub, axes=Axes.HEAD,
    )  # fmt: skip
    move(motion, Control.ROLL, take.side * take.vary(0.10) * w)
    return motion


def touching_nose(take: Take) -> Motion:
    """Rub the nose with the bent index finger, the others closed."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    rub = along((1.0, 0.0, 0.3), take.vary(0.012) * take.wave(2.4))
    motion.goals[take.side] = take.goal(
        places(take.side)["nose"], Contact.INDEX, _UP, _TO_FACE, weight=w, elbow=_ELBOW_LOW,
        curl=0.2, thumb=0.5, drift=rub, axes=Axes.HEAD,
    )  # fmt: skip
    motion.goals[take.side].curls[:, 2:5] += 0.6
    move(motion, Control.PITCH, take.vary(0.08) * w)
    return motion


def covering_face(take: Take) -> Motion:
    """Cover eyes and cheeks with both palms and bow the head into them."""
    motion, w = take.motion(), take.hold(0.45, 0.45)
    inward = along((-0.3, -0.7, -0.5), np.full(take.num_frames, 0.03))
    for side in (LEFT, RIGHT):
        motion.goals[side] = take.goal(
            places(side)["eye"], Contact.PALM, (-0.22, 0.12, 0.95), (-0.15, 0.97, 0.0), weight=w,
            elbow=(0.5, -0.5, -0.7), curl=0.14, spread=0.2, drift=inward, axes=Axes.HEAD,
        )  # fmt: skip
    move(motion, Control.PITCH, take.vary(0.30) * w)
    move(motion, Control.LEAN, take.vary(0.12) * w)
    motion.mute = w
    return motion


def covering_mouth(take: Take) -> Motion:
    """Lay the flat hand across the mouth."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    inward = along((-0.3, -0.5, -1.0), np.full(take.num_frames, 0.022))
    motion.goals[take.side] = take.goal(
        places(take.side)["lips"], Contact.PALM, (-0.90, 0.25, 0.35), (0.0, 0.98, -0.05),
        weight=w, elbow=(0.85, -0.25, -0.45), curl=0.1, thumb=0.1, drift=inward, axes=Axes.HEAD,
    )  # fmt: skip
    move(motion, Control.PITCH, take.vary(0.10) * w)
    motion.mute = w
    return motion


def pushing_glasses(take: Take) -> Motion:
    """Push the bridge of the glasses up with the index finger, the others bent."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    push = along((0.0, -0.2, 1.0), take.vary(0.012) * (1 + take.wave(1.6)))
    motion.goals[take.side] = take.goal(
        places(take.side)["bridge"], Contact.INDEX, (-0.5, 0.45, 0.75), (-0.35, 0.75, -0.5),
        weight=w, elbow=(0.75, -0.3, -0.65), curl=0.05, thumb=0.5, drift=push, axes=Axes.HEAD,
    )  # fmt: skip
    motion.goals[take.side].curls[:, 2:5] += 0.75
    act(motion, "noseSneer", 0.6 * w)
    move(motion, Control.PITCH, -take.vary(0.10) * w)
    return motion
