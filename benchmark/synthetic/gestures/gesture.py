"""List the 32 gesture programs in the order of iMiGUE's class list."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from benchmark.synthetic.gestures import body_hand, hands, head, head_hand, torso

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark.synthetic.gestures.motion import Motion, Take


class Gesture(IntEnum):
    """Class index 0..31; iMiGUE's raw class is index + 1, and 99 for the last."""

    TURTLE_NECK = 0
    DEEP_BREATH = 1
    TOUCH_HAT = 2
    TOUCH_HEAD = 3
    TOUCH_FOREHEAD = 4
    COVER_FACE = 5
    RUB_EYES = 6
    TOUCH_FACE = 7
    TOUCH_EAR = 8
    BITE_NAILS = 9
    TOUCH_JAW = 10
    TOUCH_NECK = 11
    TOUCH_HAIR = 12
    ADJUST_COLLAR = 13
    COVER_NOTCH = 14
    SCRATCH_BACK = 15
    FOLD_ARMS = 16
    DUST_CLOTHES = 17
    ARMS_BEHIND = 18
    MOVE_TORSO = 19
    SIT_STRAIGHT = 20
    TOUCH_ARM = 21
    RUB_HANDS = 22
    CROSS_FINGERS = 23
    MINARET = 24
    MANIPULATE = 25
    HOLD_BACK_ARM = 26
    HEAD_UP = 27
    PRESS_LIPS = 28
    ARMS_AKIMBO = 29
    SHAKE_SHOULDERS = 30
    ILLUSTRATE = 31

    @property
    def raw(self) -> int:
        """The class as iMiGUE's label files write it."""
        return 99 if self is Gesture.ILLUSTRATE else self + 1


PROGRAMS: dict[Gesture, Callable[[Take], Motion]] = {
    Gesture.TURTLE_NECK: head.turtle_neck,
    Gesture.DEEP_BREATH: head.deep_breath,
    Gesture.TOUCH_HAT: head_hand.touch_hat,
    Gesture.TOUCH_HEAD: head_hand.touch_head,
    Gesture.TOUCH_FOREHEAD: head_hand.touch_forehead,
    Gesture.COVER_FACE: head_hand.cover_face,
    Gesture.RUB_EYES: head_hand.rub_eyes,
    Gesture.TOUCH_FACE: head_hand.touch_face,
    Gesture.TOUCH_EAR: head_hand.touch_ear,
    Gesture.BITE_NAILS: head_hand.bite_nails,
    Gesture.TOUCH_JAW: head_hand.touch_jaw,
    Gesture.TOUCH_NECK: body_hand.touch_neck,
    Gesture.TOUCH_HAIR: head_hand.touch_hair,
    Gesture.ADJUST_COLLAR: body_hand.adjust_collar,
    Gesture.COVER_NOTCH: body_hand.cover_notch,
    Gesture.SCRATCH_BACK: body_hand.scratch_back,
    Gesture.FOLD_ARMS: hands.fold_arms,
    Gesture.DUST_CLOTHES: body_hand.dust_clothes,
    Gesture.ARMS_BEHIND: body_hand.arms_behind,
    Gesture.MOVE_TORSO: torso.move_torso,
    Gesture.SIT_STRAIGHT: torso.sit_straight,
    Gesture.TOUCH_ARM: hands.touch_arm,
    Gesture.RUB_HANDS: hands.rub_hands,
    Gesture.CROSS_FINGERS: hands.cross_fingers,
    Gesture.MINARET: hands.minaret,
    Gesture.MANIPULATE: hands.manipulate,
    Gesture.HOLD_BACK_ARM: body_hand.hold_back_arm,
    Gesture.HEAD_UP: head.head_up,
    Gesture.PRESS_LIPS: head.press_lips,
    Gesture.ARMS_AKIMBO: body_hand.arms_akimbo,
    Gesture.SHAKE_SHOULDERS: torso.shake_shoulders,
    Gesture.ILLUSTRATE: hands.illustrate,
}
"""Every gesture's program."""


def perform(gesture: Gesture, take: Take) -> Motion:
    """Make up one performance of a gesture."""
    return PROGRAMS[gesture](take)
