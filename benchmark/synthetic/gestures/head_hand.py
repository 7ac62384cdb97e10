"""A hand at the head: classes 2 to 8, 12 and the jaw and nails, 9 and 10."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.gestures.motion import (
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
_ELBOW_OUT: Vector = (0.85, -0.25, -0.45)


def touch_hat(take: Take) -> Motion:
    """Set the cap right by its peak with thumb and finger."""
    motion, w = take.motion(), take.hold(0.5, 0.5)
    # The peak is 10 cm in front of the forehead, which is the nearest place on the skin.
    lift = along((0.0, -0.10, 0.0), np.ones(take.num_frames))
    lift += along((0.0, 0.15, 0.5), 0.02 * take.wave(1.3) * w)
    motion.goals[take.side] = take.goal(
        places(take.side)["forehead"], Contact.PINCH, (-0.5, 0.55, 0.65), (-0.35, 0.5, -0.75),
        weight=w, elbow=_ELBOW_OUT, curl=0.22, thumb=0.3, drift=lift, axes=Axes.HEAD,
    )  # fmt: skip
    move(motion, Control.PITCH, (take.vary(0.12) + 0.05 * take.wave(1.0)) * w)
    return motion


def touch_head(take: Take) -> Motion:
    """Scratch the scalp with finger tips."""
    motion, w = take.motion(), take.hold(0.5, 0.45)
    where = "crown" if take.chance(0.55) else "scalp"
    scratch = take.wave(3.5)
    motion.goals[take.side] = take.goal(
        places(take.side)[where], Contact.TIPS, (-0.55, 0.35, 0.75), (-0.75, 0.3, -0.55),
        weight=w, elbow=(0.95, -0.15, -0.1), curl=0.3 + 0.16 * scratch * w,
        drift=along((0.2, 0.8, 0.3), take.vary(0.012) * scratch), axes=Axes.HEAD,
        arc=(0.10, -0.08, 0.02),
    )  # fmt: skip
    move(motion, Control.PITCH, take.vary(0.12) * w)
    move(motion, Control.ROLL, take.side * take.vary(0.10) * w)
    return motion


def touch_forehead(take: Take) -> Motion:
    """Wipe along the forehead with finger tips."""
    motion, w = take.motion(), take.hold(0.45, 0.45)
    motion.goals[take.side] = take.goal(
        places(take.side)["forehead"], Contact.TIPS, (-0.7, 0.2, 0.65), (-0.15, 0.95, -0.1),
        weight=w, elbow=(0.8, -0.35, -0.45), curl=0.16,
        drift=along((1.0, 0.15, 0.0), take.vary(0.022) * take.wave(1.6)), axes=Axes.HEAD,
    )  # fmt: skip
    move(motion, Control.PITCH, take.vary(0.12) * w)
    return motion


def cover_face(take: Take) -> Motion:
    """Cover the face with one palm or both."""
    motion, w = take.motion(), take.hold(0.45, 0.5)
    both = take.chance(0.5)
    inward = np.array([-0.008 * both, 0.0, -0.02])
    for side in (take.side, -take.side) if both else (take.side,):
        motion.goals[side] = take.goal(
            places(side)["eye" if both else "nose"], Contact.PALM,
            (-0.22, 0.12, 0.95) if both else (-0.45, 0.12, 0.85), (-0.15, 0.97, 0.0),
            weight=w, elbow=(0.5, -0.5, -0.7), curl=0.14, spread=0.2,
            drift=along((0.0, 0.0, 1.0), 0.012 * take.wave(1.0)) + inward, axes=Axes.HEAD,
        )  # fmt: skip
    move(motion, Control.PITCH, take.vary(0.24) * w)
    move(motion, Control.LEAN, take.vary(0.06) * w)
    act(motion, "eyeBlink", w)
    motion.mute = w
    return motion


def rub_eyes(take: Take) -> Motion:
    """Rub a closed eye with bent fingers."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    circle = along((1, 0, 0), 0.009 * take.wave(2.4)) + along((0, 0, 1), 0.007 * take.wave(2.4))
    motion.goals[take.side] = take.goal(
        places(take.side)["eye"], Contact.INDEX, (-0.4, 0.3, 0.85), (-0.25, 0.95, 0.0),
        weight=w, elbow=_ELBOW_OUT, curl=0.3, drift=circle * take.vigor, axes=Axes.HEAD,
    )  # fmt: skip
    act(motion, "eyeBlink", 1.1 * w)  # squeezed, more than shut
    act(motion, "browDown", 0.6 * w)
    move(motion, Control.PITCH, take.vary(0.12) * w)
    return motion


def touch_face(take: Take) -> Motion:
    """Touch nose, cheek or mouth with finger tips."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    where = str(
        take.rng.choice(["nose", "cheek", "lips", "mouth corner"], p=[0.4, 0.3, 0.15, 0.15])
    )
    contact = Contact.TIPS if where == "cheek" else Contact.INDEX
    rub = along((0.5, 0.1, 0.8), take.vary(0.008) * take.wave(2.0))
    motion.goals[take.side] = take.goal(
        places(take.side)[where], contact, _UP, _TO_FACE,
        weight=w, elbow=_ELBOW_LOW, curl=0.22, drift=rub, axes=Axes.HEAD,
    )  # fmt: skip
    if contact is Contact.INDEX:
        motion.goals[take.side].curls[:, 2:5] += 0.35
    move(motion, Control.PITCH, take.vary(0.07) * w)
    return motion


def touch_ear(take: Take) -> Motion:
    """Pull at the ear with thumb and index finger."""
    motion, w = take.motion(), take.hold(0.45, 0.45)
    pull = along((0.3, 0.0, -1.0), take.vary(0.010) * (1 + take.wave(1.7)))
    motion.goals[take.side] = take.goal(
        places(take.side)["ear"], Contact.PINCH, (-0.25, 0.45, 0.85), (-0.9, 0.2, 0.1),
        weight=w, elbow=(0.8, -0.3, -0.55), curl=0.25, thumb=0.35, drift=pull, axes=Axes.HEAD,
        arc=(0.09, -0.06, 0.0),
    )  # fmt: skip
    move(motion, Control.ROLL, take.side * take.vary(0.10) * w)
    return motion


def bite_nails(take: Take) -> Motion:
    """Hold bent finger tips at the teeth and nibble."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    motion.goals[take.side] = take.goal(
        places(take.side)["lips"], Contact.TIPS, (-0.6, 0.6, 0.45), (-0.1, 0.6, -0.75),
        weight=w, elbow=_ELBOW_LOW, curl=0.5, axes=Axes.HEAD,
        drift=along((0.0, -0.004, -0.012), np.ones(take.num_frames)),
    )  # fmt: skip
    act(motion, "jawOpen", (0.16 + 0.12 * take.wave(3.2)) * w)
    act(motion, "mouthUpperUp", 0.4 * w)
    move(motion, Control.PITCH, (take.vary(0.10) + 0.02 * take.wave(3.2)) * w)
    motion.mute = w
    return motion


def touch_jaw(take: Take) -> Motion:
    """Hold the chin between thumb and fingers, or rest it on the fist."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    if take.chance(0.6):
        stroke = along((0.0, -0.3, -1.0), take.vary(0.007) * take.wave(1.4))
        motion.goals[take.side] = take.goal(
            places(take.side)["chin"], Contact.PINCH, (-0.45, 0.3, 0.75), (-0.1, 0.95, 0.2),
            weight=w, elbow=_ELBOW_LOW, curl=0.42, thumb=0.1, drift=stroke, axes=Axes.HEAD,
        )  # fmt: skip
    else:
        motion.goals[take.side] = take.goal(
            places(take.side)["jaw"], Contact.KNUCKLES, (-0.25, 0.3, 0.9), (-0.85, 0.3, -0.2),
            weight=w, elbow=_ELBOW_LOW, curl=0.8, thumb=0.5, axes=Axes.HEAD,
            drift=along((0.0, -0.01, -0.025), np.ones(take.num_frames)),
        )  # fmt: skip
        move(motion, Control.ROLL, take.side * take.vary(0.08) * w)
    motion.mute = 0.7 * w
    return motion


def touch_hair(take: Take) -> Motion:
    """Stroke the hair back over the side of the head."""
    motion, w = take.motion(), take.hold(0.5, 0.5)
    n = take.num_frames
    path = np.clip((np.arange(n) / n - 0.3) / 0.4, 0, 1)[:, None]
    stroke = np.array([-0.015, -0.05, 0.035]) * (1 - path) + np.array([0.0, 0.065, -0.06]) * path
    motion.goals[take.side] = take.goal(
        places(take.side)["scalp"], Contact.TIPS, (-0.35, 0.6, 0.7), (-0.9, 0.1, -0.3),
        weight=w, elbow=(0.95, -0.15, -0.25), curl=0.1, spread=0.4, drift=stroke * take.vigor,
        axes=Axes.HEAD, arc=(0.12, -0.06, 0.0),
    )  # fmt: skip
    move(motion, Control.YAW, take.side * take.vary(0.12) * w)
    move(motion, Control.ROLL, -take.side * take.vary(0.10) * w)
    return motion
