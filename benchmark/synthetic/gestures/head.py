"""Gestures of head, neck and face without hands: classes 0, 1, 27, 28."""

from __future__ import annotations

import numpy as np

from benchmark.synthetic.gestures.motion import Motion, Take, act, move
from benchmark.synthetic.skeleton import Control


def turtle_neck(take: Take) -> Motion:
    """Lift the shoulders, sink the head and poke it forward."""
    motion, w = take.motion(), take.hold(0.35, 0.45)
    for shoulder in (Control.SHRUG_LEFT, Control.SHRUG_RIGHT):
        move(motion, shoulder, take.vary(0.36) * w)
    move(motion, Control.SINK, take.vary(0.030) * w)
    move(motion, Control.POKE, take.vary(0.34) * w)
    move(motion, Control.HUNCH, take.vary(0.12) * w)
    act(motion, "mouthFrown", 0.5 * w)
    return motion


def head_up(take: Take) -> Motion:
    """Throw the head back and look up."""
    motion, w = take.motion(), take.hold(0.45, 0.45)
    move(motion, Control.PITCH, -take.vary(0.56) * w)
    move(motion, Control.YAW, take.side * take.vary(0.1, 1.0) * w)
    move(motion, Control.GAZE_PITCH, -0.25 * w)
    act(motion, "browInnerUp", 0.6 * w)
    return motion


def deep_breath(take: Take) -> Motion:
    """Fill the chest, bulge the cheeks and breathe out."""
    motion = take.motion()
    rise, blow = take.hold(0.5, 0.6), take.hold(0.55, 0.3)
    blow = blow * np.linspace(0.6, 1.0, take.num_frames)
    act(motion, "cheekPuff", take.vary(1.25) * blow)
    act(motion, "mouthPucker", 0.5 * blow)
    act(motion, "browInnerUp", 0.5 * rise)
    move(motion, Control.CHEST, take.vary(0.07) * rise)
    move(motion, Control.RISE, take.vary(0.012) * rise)
    for shoulder in (Control.SHRUG_LEFT, Control.SHRUG_RIGHT):
        move(motion, shoulder, take.vary(0.13) * rise)
    motion.mute = np.maximum(rise, blow)
    return motion


def press_lips(take: Take) -> Motion:
    """Press the lips or roll them in, sometimes to one side."""
    motion, w = take.motion(), take.hold(0.25, 0.25)
    act(motion, "mouthPress", take.vary(0.9) * w)
    act(motion, "mouthRollLower", take.vary(0.8, 0.4) * w)
    act(motion, "mouthRollUpper", take.vary(0.7, 0.5) * w)
    act(motion, "mouthShrugLower", take.vary(0.5) * w)
    act(motion, "mouthDimple", 0.7 * w)
    if take.chance(0.35):
        act(motion, "mouthLeft" if take.side > 0 else "mouthRight", 0.7 * w)
    if take.chance(0.4):
        move(motion, Control.PITCH, take.vary(0.08) * w)
    motion.mute = np.minimum(1.0, 1.6 * w)
    return motion
