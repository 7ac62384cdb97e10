"""Arms and hands that touch neither head, trunk nor legs: classes 11 to 23."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.actions.steps import change
from benchmark.synthetic.geometry import smoothstep
from benchmark.synthetic.gestures.motion import (
    LEFT,
    RIGHT,
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

_ELBOW: Vector = (0.7, 0.15, -0.7)
_REACHES: tuple[tuple[Vector, Vector, Vector], ...] = (
    ((0.16, -0.95, 0.02), (-0.05, -1.0, 0.05), (-0.2, 0.0, -1.0)),
    ((0.16, -0.30, 0.95), (0.0, -0.2, 1.0), (-0.6, -0.8, 0.0)),
    ((0.95, -0.30, 0.10), (1.0, -0.25, 0.1), (0.0, -0.8, -0.6)),
)
"""Place, pointing, palm of a stretched arm: to the front, up, to the side."""


def pointing_oneself(take: Take) -> Motion:
    """Tap the breast with the index finger, the others bent."""
    motion, w = take.motion(), take.hold(0.35, 0.35)
    tap = along((0.0, -1.0, 0.0), 0.03 + 0.03 * take.wave(2.2))
    motion.goals[take.side] = take.goal(
        places(take.side)["breast"], Contact.INDEX, (-0.75, 0.65, 0.1), (0.35, 0.35, -0.85),
        weight=w, elbow=(0.95, -0.2, -0.25), curl=0.05, thumb=0.4, drift=tap,
    )  # fmt: skip
    motion.goals[take.side].curls[:, 2:5] += 0.85
    return motion


def clenching_fist(take: Take) -> Motion:
    """Close a hand at the shoulder's height to a fist and shake it; it opens in between."""
    motion, w = take.motion(), take.hold(0.35, 0.35)
    grip = smoothstep(1.0 - 1.6 * np.cos(2 * np.pi * take.seconds * take.rng.uniform(0.9, 1.3)))
    x, y, z = take.rng.uniform(0.14, 0.34), take.rng.uniform(-0.50, -0.38), 0.0
    sides = (LEFT, RIGHT) if take.chance(0.3) else (take.side,)
    for side in sides:
        motion.goals[side] = take.goal(
            Chest((float(x), float(y), z)), Contact.KNUCKLES, (-0.1, -0.15, 0.97),
            (-0.15, -0.95, -0.1), weight=w, elbow=(0.75, 0.1, -0.8), curl=grip, thumb=grip * 0.7,
            drift=along((0.0, -0.4, 0.9), 0.03 * take.wave(2.4) * grip),
        )  # fmt: skip
        motion.goals[side].curls[:, 5] = 0.6 * (1 - grip)
    return motion


def stretching_arms(take: Take) -> Motion:
    """Stretch out one arm or both: to the front, up, or to the side."""
    motion, w = take.motion(), take.hold(0.5, 0.45)
    way = int(take.rng.integers(len(_REACHES)))
    place, pointing, palm = _REACHES[way]
    for side in (LEFT, RIGHT) if take.chance(0.7) else (take.side,):
        motion.goals[side] = take.goal(
            Chest(place), Contact.WRIST, pointing, palm, weight=w, elbow=(0.8, 0.3, -0.5),
            curl=0.08, spread=0.3, arc=(0.10, -0.08, 0.0),
            drift=along((0.0, 0.0, 1.0), 0.015 * take.wave(1.2)),
        )  # fmt: skip
    move(motion, Control.CHEST, take.vary(0.05) * w)
    if way == 1:
        move(motion, Control.PITCH, -take.vary(0.15) * w)
    return motion


def retracting_arms(take: Take) -> Motion:
    """Draw in arms that are stretched to the front, elbows back, hands to the ribs."""
    motion, back = take.motion(), change(take, 0.25, 0.5)
    ones = np.ones(take.num_frames)
    out = along((0.0, -1.0, 0.45), take.vary(0.36, 0.15) * (1 - back))
    for side in (LEFT, RIGHT) if take.chance(0.75) else (take.side,):
        motion.goals[side] = take.goal(
            Chest((0.20, -0.26, -0.46)), Contact.WRIST, (-0.15, -0.98, 0.1), (-0.7, 0.0, -0.7),
            weight=ones, elbow=(0.55, 0.75, -0.45), curl=0.15 + 0.5 * back, drift=out,
        )  # fmt: skip
    move(motion, Control.LEAN, take.vary(0.12) * (1 - back) - 0.05 * back)
    return motion


def waving(take: Take) -> Motion:
    """Wave to somebody with a hand beside the head."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    swing = take.wave(2.0)
    motion.goals[take.side] = take.goal(
        Chest((0.42, -0.38, 0.28)), Contact.WRIST, (0.05, -0.1, 1.0), (0.0, -1.0, -0.1),
        weight=w, elbow=(0.85, 0.0, -0.75), curl=0.06, spread=0.5,
        drift=along((1.0, 0.0, 0.05), take.vary(0.085, 0.15) * swing),
    )  # fmt: skip
    move(motion, Control.YAW, take.side * take.vary(0.08) * w)
    return motion


def spreading_hands(take: Take) -> Motion:
    """Open both palms outward and up, as if there were nothing to be done."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    for side in (LEFT, RIGHT):
        motion.goals[side] = take.goal(
            Chest((0.62, -0.42, -0.42)), Contact.WRIST, (0.65, -0.7, 0.2), (0.1, -0.2, 0.95),
            weight=w, elbow=(0.45, 0.2, -0.9), curl=0.1, spread=0.5,
            drift=along((0.8, 0.0, 0.4), 0.03 * take.wave(1.2)),
        )  # fmt: skip
    for shoulder in (Control.SHRUG_LEFT, Control.SHRUG_RIGHT):
        move(motion, shoulder, take.vary(0.12) * w)
    return motion


def putting_hands_together(take: Take) -> Motion:
    """Put palm to palm before the chest, fingers up, and stay."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    z = float(take.rng.uniform(-0.30, -0.18))
    for side in (LEFT, RIGHT):
        motion.goals[side] = take.goal(
            Chest((0.0, -0.50, z)), Contact.PALM, (-0.15, -0.25, 0.95), (-1.0, 0.0, -0.1),
            weight=w, elbow=(0.9, 0.1, -0.45), curl=0.03, thumb=0.05,
            drift=along((1.0, 0.0, 0.0), np.full(take.num_frames, 0.012)),
        )  # fmt: skip
    return motion


def hands_touching_fingers(take: Take) -> Motion:
    """Pull at the fingers of one hand with the other, which lies above it."""
    motion, w = take.motion(), take.hold(0.4, 0.4)
    y, z = float(take.rng.uniform(-0.56, -0.48)), float(take.rng.uniform(-0.46, -0.36))
    pull = along((0.9, -0.2, 0.45), 0.012 + take.vary(0.024) * take.wave(1.9))
    motion.goals[-take.side] = take.goal(
        Chest((0.03, y, z)), Contact.TIPS, (-0.9, -0.35, 0.1), (-0.1, 0.15, -0.98),
        weight=w, elbow=_ELBOW, curl=0.08, spread=0.4,
    )  # fmt: skip
    motion.goals[take.side] = take.goal(
        Chest((0.02, y, z + 0.05)), Contact.PINCH, (-0.55, -0.25, -0.75), (-0.5, 0.8, -0.1),
        weight=w, elbow=(0.9, 0.1, -0.4), curl=0.4, thumb=0.35, drift=pull,
    )  # fmt: skip
    move(motion, Control.PITCH, take.vary(0.24) * w)
    return motion


def other_finger_movements(take: Take) -> Motion:
    """Drum with the fingers in the air above the lap, one after another, as on a piano."""
    motion, w = take.motion(), take.hold(0.35, 0.35)
    motion.goals[take.side] = take.goal(
        Chest((0.32, -0.62, -0.42)), Contact.PALM, (-0.1, -0.97, 0.2), (-0.1, -0.25, -0.95),
        weight=w, elbow=_ELBOW, curl=0.05, spread=0.9,
    )  # fmt: skip
    hertz = take.rng.uniform(1.6, 2.4)
    for finger in range(5):
        phase = 2 * np.pi * (hertz * take.seconds - 0.17 * finger)
        motion.goals[take.side].curls[:, finger] += 0.35 + 0.4 * np.sin(phase)
    return motion
