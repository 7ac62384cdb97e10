"""A hand at neck, collar, back, sleeve or hips: classes 11, 13 to 15, 17, 18, 26, 29."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.gestures.motion import (
    Chest,
    Contact,
    Motion,
    Take,
    Vector,
    along,
    move,
    places,
)
from benchmark.synthetic.skeleton import Control


def touch_neck(take: Take) -> Motion:
    """Rub side or back of the neck with finger tips."""
    motion, w = take.motion(), take.hold(0.45, 0.45)
    where = "nape" if take.chance(0.45) else "neck"
    motion.goals[take.side] = take.goal(
        places(take.side)[where], Contact.TIPS, (-0.45, 0.75, 0.3), (-0.8, -0.1, -0.3),
        weight=w, elbow=(0.75, -0.5, -0.35), curl=0.2, arc=(0.10, -0.06, 0.0),
        drift=along((0.1, 0.5, 0.8), take.vary(0.014) * take.wave(2.0)),
    )  # fmt: skip
    move(motion, Control.ROLL, -take.side * take.vary(0.12) * w)
    move(motion, Control.PITCH, take.vary(0.08) * w)
    return motion


def adjust_collar(take: Take) -> Motion:
    """Pull the collar, the tie or a button with thumb and finger; sometimes with both hands."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    where = "breast" if take.chance(0.3) else "collar"
    tug = along((0.7, -0.5, -0.4), take.vary(0.014) * take.wave(1.8))
    tug += along((0.0, -1.0, 0.0), np.full(take.num_frames, 0.015))
    sides = (take.side, -take.side) if take.chance(0.5) else (take.side,)
    for side in sides:
        motion.goals[side] = take.goal(
            places(side)[where], Contact.PINCH, (-0.65, 0.35, 0.65), (-0.35, 0.8, -0.4),
            weight=w, elbow=(0.7, 0.0, -0.7), curl=0.3, thumb=0.3, drift=tug,
        )  # fmt: skip
    move(motion, Control.PITCH, (take.vary(0.10) if where == "breast" else -take.vary(0.06)) * w)
    move(motion, Control.YAW, 0.1 * take.wave(0.9) * w)
    return motion


def cover_notch(take: Take) -> Motion:
    """Lay flat fingers on the suprasternal notch."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    motion.goals[take.side] = take.goal(
        places(take.side)["notch"], Contact.TIPS, (-0.9, 0.1, 0.42), (0.0, 0.97, 0.1),
        weight=w, elbow=(0.65, 0.1, -0.75), curl=0.08,
        drift=along((1.0, 0.0, 0.2), take.vary(0.005) * take.wave(1.2)),
    )  # fmt: skip
    return motion


def scratch_back(take: Take) -> Motion:
    """Scratch over the shoulder or behind the waist."""
    motion, w = take.motion(), take.hold(0.5, 0.5)
    scratch = take.wave(2.8)
    if take.chance(0.7):
        motion.goals[take.side] = take.goal(
            places(take.side)["shoulder back"], Contact.TIPS, (-0.25, 0.85, -0.45),
            (-0.1, -0.4, -0.9), weight=w, elbow=(0.55, -0.75, 0.45), curl=0.25 + 0.12 * scratch,
            drift=along((0.2, 0.1, 1.0), take.vary(0.016) * scratch), arc=(0.12, -0.12, 0.10),
        )  # fmt: skip
        move(motion, Control.PITCH, take.vary(0.16) * w)
    else:
        motion.goals[take.side] = take.goal(
            Chest((0.12, 0.27, -0.62)), Contact.WRIST, (-0.9, 0.1, 0.1), (0.0, -1.0, 0.0),
            weight=w, elbow=(0.95, 0.55, -0.1), arc=(0.25, 0.0, 0.02),
            drift=along((0.0, 0.0, 1.0), take.vary(0.03) * scratch),
        )  # fmt: skip
        move(motion, Control.LEAN, take.vary(0.10) * w)
    move(motion, Control.TWIST, take.side * take.vary(0.14) * w)
    move(motion, Control.SIDE, -take.side * take.vary(0.08) * w)
    return motion


def dust_clothes(take: Take) -> Motion:
    """Brush the other sleeve, or the front, with quick strokes of flat fingers."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    where = str(take.rng.choice(["other sleeve", "other upper arm", "breast"], p=[0.4, 0.4, 0.2]))
    stroke = along((-0.75, -0.3, -0.6), take.vary(0.045) * take.wave(2.6))
    motion.goals[take.side] = take.goal(
        places(take.side)[where], Contact.TIPS, (-0.85, -0.15, 0.1), (-0.3, 0.75, -0.6),
        weight=w, elbow=(0.7, 0.1, -0.7), curl=0.06, drift=stroke,
    )  # fmt: skip
    if where != "breast":  # nobody dusts a sleeve that lies on the desk
        _offer_arm(take, motion, w)
    move(motion, Control.PITCH, take.vary(0.2) * w)
    move(motion, Control.YAW, -take.side * take.vary(0.22) * w)
    return motion


def _offer_arm(take: Take, motion: Motion, w: np.ndarray) -> None:
    """Hold the other forearm in front of the body."""
    motion.goals[-take.side] = take.goal(
        Chest((0.06, -0.52, -0.36)), Contact.WRIST, (-0.9, -0.25, 0.15), (0.1, 0.5, -0.8),
        weight=w, elbow=(0.8, 0.2, -0.6), curl=0.2,
    )  # fmt: skip


def arms_behind(take: Take) -> Motion:
    """Hide both hands behind the back."""
    return _behind(take, (take.side, -take.side))


def hold_back_arm(take: Take) -> Motion:
    """Hold one arm behind the back and grip its elbow with the other hand."""
    motion = _behind(take, (take.side,))
    w = motion.goals[take.side].weight
    motion.goals[-take.side] = take.goal(
        Chest((-0.26, -0.12, -0.46)), Contact.PALM, (-0.95, 0.3, 0.05), (0.0, 0.95, 0.0),
        weight=w, elbow=(0.75, 0.0, -0.75), curl=0.35,
    )  # fmt: skip
    return motion


def _behind(take: Take, sides: tuple[int, ...]) -> Motion:
    motion, w = take.motion(), take.hold(0.5, 0.5)
    for side in sides:
        motion.goals[side] = take.goal(
            Chest((0.08, 0.30, -0.66)), Contact.WRIST, (-0.95, 0.1, -0.1), (0.0, -1.0, 0.0),
            weight=w, elbow=(0.8, 0.75, -0.2), arc=(0.26, 0.0, 0.0), curl=0.3,
        )  # fmt: skip
    move(motion, Control.HUNCH, -take.vary(0.16) * w)
    move(motion, Control.CHEST, take.vary(0.05) * w)
    move(motion, Control.LEAN, -take.vary(0.05) * w)
    return motion


def arms_akimbo(take: Take) -> Motion:
    """Put the hands on the hips, elbows out."""
    motion, w = take.motion(), take.hold(0.5, 0.5)
    outward: Vector = (1.0, 0.12, -0.05)
    for side in (take.side, -take.side):
        motion.goals[side] = take.goal(
            Chest((0.36, 0.02, -0.70)), Contact.WRIST, (-0.6, -0.6, -0.5), (-0.7, 0.6, 0.1),
            weight=w, elbow=outward, arc=(0.16, 0.0, 0.04), curl=0.3,
        )  # fmt: skip
    move(motion, Control.CHEST, take.vary(0.04) * w)
    move(motion, Control.LEAN, -take.vary(0.04) * w)
    for shoulder in (Control.SHRUG_LEFT, Control.SHRUG_RIGHT):
        move(motion, shoulder, take.vary(0.10) * w)
    return motion
