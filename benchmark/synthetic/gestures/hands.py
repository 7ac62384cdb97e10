"""Hand with hand, arm or object: classes 16, 21 to 25, 31."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.geometry import smooth_noise, smoothstep
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

_ELBOW_REST: Vector = (0.7, 0.15, -0.7)


def _meeting(take: Take) -> tuple[float, float]:
    """Choose y, z of the place in front of the chest where hands meet, in arm lengths."""
    return float(take.rng.uniform(-0.58, -0.46)), float(take.rng.uniform(-0.52, -0.34))


def fold_arms(take: Take) -> Motion:
    """Cross both forearms on the chest."""
    motion, w = take.motion(), take.hold(0.5, 0.5)
    high = take.rng.uniform(-0.46, -0.38)
    motion.goals[take.side] = take.goal(
        Chest((-0.16, -0.36, high)), Contact.WRIST, (-0.9, 0.35, 0.2), (0.1, 0.6, -0.75),
        weight=w, elbow=(0.8, 0.2, -0.6), curl=0.25, arc=(0.0, -0.12, 0.0),
    )  # fmt: skip
    motion.goals[-take.side] = take.goal(
        Chest((-0.14, -0.25, high - 0.05)), Contact.WRIST, (-0.75, 0.5, 0.35), (-0.2, 0.8, 0.4),
        weight=w, elbow=(0.8, 0.2, -0.6), curl=0.3, arc=(0.0, -0.04, -0.02),
    )  # fmt: skip
    move(motion, Control.HUNCH, take.vary(0.08) * w)
    move(motion, Control.LEAN, -take.vary(0.05) * w)
    return motion


def touch_arm(take: Take) -> Motion:
    """Scratch the other arm with finger tips, or hold it with the palm."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    upper = take.chance(0.5)
    scratch = take.wave(2.6)
    rubs = take.chance(0.65)
    motion.goals[take.side] = take.goal(
        places(take.side)["other upper arm" if upper else "other forearm"],
        Contact.TIPS if rubs else Contact.PALM,
        (-0.95, 0.05, 0.2) if upper else (-0.85, -0.15, -0.1),
        (-0.3, 0.9, -0.1) if upper else (-0.1, 0.35, -0.9),
        weight=w, elbow=_ELBOW_REST, curl=0.22 + (0.1 * scratch if rubs else 0.0),
        drift=along((0.3, 0.0, 1.0) if upper else (1.0, 0.2, 0.0), 0.018 * rubs * scratch),
    )  # fmt: skip
    move(motion, Control.PITCH, take.vary(0.05) * w)
    return motion


def rub_hands(take: Take) -> Motion:
    """Slide palm along palm, or hold them together."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    y, z = _meeting(take)
    slide = take.vary(0.026) * take.wave(2.0) * (1.0 if take.chance(0.8) else 0.15)
    for side, up in ((take.side, 1.0), (-take.side, -1.0)):
        motion.goals[side] = take.goal(
            Chest((0.0, y, z)), Contact.PALM, (-0.8, -0.5, 0.15), (-0.15, 0.45 * up, -0.85 * up),
            weight=w, elbow=_ELBOW_REST, curl=0.12 if up > 0 else 0.2,
            # Each palm is half a hand's thickness off the place: they touch, they do not intersect.
            drift=along((-0.8, -0.5, 0.1), up * slide) + np.array([0.0, 0.0, 0.014 * up]),
        )  # fmt: skip
    return motion


def cross_fingers(take: Take) -> Motion:
    """Interlace the fingers of both hands."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    y, z = _meeting(take)
    grip = 0.5 * smoothstep((w - 0.5) * 2) + 0.04 * take.wave(1.2) * w
    sway = along((0.0, 0.3, 1.0), take.vary(0.008) * take.wave(1.0))
    for side, up in ((take.side, 1.0), (-take.side, -1.0)):
        motion.goals[side] = take.goal(
            Chest((0.045, y, z)), Contact.KNUCKLES, (-0.55, -0.55, 0.6), (-0.8, 0.35, -0.45),
            weight=w, elbow=_ELBOW_REST, curl=grip, thumb=0.25,
            # One hand is a finger's thickness higher: its fingers come between the other's.
            drift=sway + np.array([0.0, 0.0, 0.009 * up]),
        )  # fmt: skip
    return motion


def minaret(take: Take) -> Motion:
    """Put finger tips against finger tips, as a steeple."""
    motion, w = take.motion(), take.hold(0.42, 0.42)
    y, z = _meeting(take)
    tap = 0.006 * take.wave(1.5)
    for side in (take.side, -take.side):
        motion.goals[side] = take.goal(
            Chest((0.012, y, z + 0.14)), Contact.TIPS, (-0.5, -0.1, 0.85), (-0.9, 0.0, -0.45),
            weight=w, elbow=_ELBOW_REST, curl=0.02, thumb=0.0, spread=0.5,
            drift=along((1.0, 0.0, 0.0), tap),
        )  # fmt: skip
    return motion


def manipulate(take: Take) -> Motion:
    """Turn a pen in the fingers."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    y, z = _meeting(take)
    twirl = take.wave(1.8)
    motion.goals[take.side] = take.goal(
        Chest((0.12, y, z + 0.05)), Contact.PINCH, (-0.6, -0.5, 0.5), (-0.6, 0.3, -0.6),
        weight=w, elbow=_ELBOW_REST, curl=0.34 + 0.14 * twirl, thumb=0.3,
        wobble=0.5 * take.vigor * take.wave(1.3), drift=along((0.6, 0.2, 0.7), 0.012 * twirl),
    )  # fmt: skip
    if take.chance(0.5):
        motion.goals[-take.side] = take.goal(
            Chest((0.05, y, z)), Contact.PINCH, (-0.75, -0.4, 0.4), (-0.4, 0.4, -0.8),
            weight=w, elbow=_ELBOW_REST, curl=0.35, thumb=0.3,
        )  # fmt: skip
    motion.pen = take.side
    move(motion, Control.PITCH, take.vary(0.14, 0.8) * w)
    return motion


def illustrate(take: Take) -> Motion:
    """Speak with the hands: beats, open palms, a pointing finger, circles, a pinch."""
    motion, w = take.motion(), take.hold(0.35, 0.35)
    sides = (take.side, -take.side) if take.chance(0.55) else (take.side,)
    shape = int(take.rng.integers(len(_SPEECH_HANDS)))
    y, z = take.rng.uniform(-0.62, -0.42), take.rng.uniform(-0.50, -0.28)
    x = take.rng.uniform(0.18, 0.45)
    # Two shapes are at places of their own: the hand on the chest, and the one above the desk.
    if shape == 5:
        x, y, z = take.rng.uniform(0.0, 0.12), -0.34, take.rng.uniform(-0.38, -0.22)
    elif shape == 6:
        x, y, z = take.rng.uniform(0.1, 0.4), -0.58, take.rng.uniform(-0.56, -0.48)
    path = _speech_path(take, shape)
    pointing, palm, curl = _SPEECH_HANDS[shape]
    for side in sides:
        wander = 0.012 * smooth_noise(take.rng, take.num_frames, 9, 3)
        motion.goals[side] = take.goal(
            Chest((float(x), float(y), float(z))), Contact.PALM, pointing, palm, weight=w,
            elbow=_ELBOW_REST, curl=curl, spread=0.2, drift=path + wander,
            wobble=0.25 * take.wave(1.2),
        )  # fmt: skip
        if shape == 2:
            motion.goals[side].curls[:, 2:5] += 0.65
    move(motion, Control.PITCH, 0.05 * take.wave(1.5) * w)
    move(motion, Control.YAW, take.side * take.vary(0.10, 1.0) * w)
    return motion


_SPEECH_HANDS: tuple[tuple[Vector, Vector, float], ...] = (
    ((-0.3, -0.8, 0.45), (-0.9, 0.2, -0.2), 0.15),
    ((0.15, -0.75, 0.5), (-0.3, 0.25, 0.9), 0.05),
    ((-0.2, -0.7, 0.65), (-0.5, -0.5, -0.6), 0.15),
    ((-0.6, -0.6, 0.4), (-0.3, 0.4, -0.8), 0.2),
    ((-0.3, -0.5, 0.75), (-0.6, -0.6, -0.3), 0.3),
    ((-0.85, -0.1, 0.3), (0.0, 0.97, 0.1), 0.2),
    ((-0.7, -0.65, 0.15), (-0.2, 0.1, -0.95), 0.2),
)
"""Pointing, palm, curl: chopping edge, open palm, index finger, rolling hand, pinch, hand on the
own chest, hand lifted off the desk."""


def _speech_path(take: Take, shape: int) -> np.ndarray:
    """Compute the way (n, 3) of a speaking hand, meters."""
    size = take.vary(0.055, 0.4) * (0.5 if shape > 4 else 1.0)
    beat = take.wave(1.6)
    if shape == 1:
        return along((0.9, -0.2, 0.3), size * 1.2 * take.wave(0.9))
    if shape == 3:
        phase = 2 * np.pi * take.rng.uniform(1.0, 1.6) * take.seconds
        return along((0.0, -1.0, 0.0), size * np.sin(phase)) + along(
            (0, 0, 1), size * np.cos(phase)
        )
    return along((0.1, -0.35, 0.9), size * beat)
