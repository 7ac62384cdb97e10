"""Gestures of head and neck without hands: classes 0, 27."""

from __future__ import annotations

from benchmark.synthetic.gestures.motion import Motion, Take, act, move
from benchmark.synthetic.skeleton import Control


def turtle_neck(take: Take) -> Motion:
    """Shoulders come up, the head sinks and pokes forward."""
    motion, w = take.motion(), take.hold(0.35, 0.45)
    for shoulder in (Control.SHRUG_LEFT, Control.SHRUG_RIGHT):
        move(motion, shoulder, take.vary(0.36) * w)
    move(motion, Control.SINK, take.vary(0.030) * w)
    move(motion, Control.POKE, take.vary(0.34) * w)
    move(motion, Control.HUNCH, take.vary(0.12) * w)
    act(motion, "mouthFrown", 0.5 * w)
    return motion


def head_up(take: Take) -> Motion:
    """The head is thrown back, the eyes look up."""
    motion, w = take.motion(), take.hold(0.45, 0.45)
    move(motion, Control.PITCH, -take.vary(0.56) * w)
    move(motion, Control.YAW, take.side * take.vary(0.1, 1.0) * w)
    move(motion, Control.GAZE_PITCH, -0.25 * w)
    act(motion, "browInnerUp", 0.6 * w)
    return motion
