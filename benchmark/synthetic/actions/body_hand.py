"""A hand at the own trunk, beyond the gestures that `gestures.body_hand` has: 33, 35."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.gestures.motion import Contact, Motion, Take, along, move, places
from benchmark.synthetic.skeleton import Control


def touching_chest(take: Take) -> Motion:
    """The flat hand lies on the breast and rubs up and down."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    rub = along((0.3, 0.0, 1.0), take.vary(0.035) * take.wave(1.7))
    rub += along((0.0, -1.0, 0.0), np.full(take.num_frames, 0.012))
    motion.goals[take.side] = take.goal(
        places(take.side)["breast"], Contact.PALM, (-0.9, 0.1, 0.3), (0.0, 0.97, 0.1),
        weight=w, elbow=(0.8, 0.0, -0.6), curl=0.1, drift=rub,
    )  # fmt: skip
    return motion


def touching_shoulder(take: Take) -> Motion:
    """The hand reaches across and rubs the other shoulder."""
    motion, w = take.motion(), take.hold(0.45, 0.45)
    rub = along((0.8, -0.1, 0.3), take.vary(0.02) * take.wave(2.0))
    motion.goals[take.side] = take.goal(
        places(take.side)["other shoulder"], Contact.TIPS, (-0.75, 0.65, 0.2), (-0.25, 0.3, -0.9),
        weight=w, elbow=(0.25, -0.85, -0.35), curl=0.2, drift=rub, arc=(0.0, -0.14, 0.0),
    )  # fmt: skip
    move(motion, Control.YAW, -take.side * take.vary(0.12) * w)
    return motion
