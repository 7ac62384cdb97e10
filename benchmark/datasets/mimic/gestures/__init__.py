"""The 32 gesture programs in the order of iMiGUE's class list."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, assert_never

from benchmark.datasets.mimic.gestures import body_hand, face, hands, head, head_hand, torso

if TYPE_CHECKING:
    from benchmark.datasets.mimic.gestures.motion import Motion, Take


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


def perform(gesture: Gesture, take: Take) -> Motion:  # noqa: C901, PLR0911, PLR0912
    """Make up one performance of a gesture."""
    match gesture:
        case Gesture.TURTLE_NECK:
            return head.turtle_neck(take)
        case Gesture.DEEP_BREATH:
            return face.deep_breath(take)
        case Gesture.TOUCH_HAT:
            return head_hand.touch_hat(take)
        case Gesture.TOUCH_HEAD:
            return head_hand.touch_head(take)
        case Gesture.TOUCH_FOREHEAD:
            return head_hand.touch_forehead(take)
        case Gesture.COVER_FACE:
            return head_hand.cover_face(take)
        case Gesture.RUB_EYES:
            return head_hand.rub_eyes(take)
        case Gesture.TOUCH_FACE:
            return head_hand.touch_face(take)
        case Gesture.TOUCH_EAR:
            return head_hand.touch_ear(take)
        case Gesture.BITE_NAILS:
            return head_hand.bite_nails(take)
        case Gesture.TOUCH_JAW:
            return head_hand.touch_jaw(take)
        case Gesture.TOUCH_NECK:
            return body_hand.touch_neck(take)
        case Gesture.TOUCH_HAIR:
            return head_hand.touch_hair(take)
        case Gesture.ADJUST_COLLAR:
            return body_hand.adjust_collar(take)
        case Gesture.COVER_NOTCH:
            return body_hand.cover_notch(take)
        case Gesture.SCRATCH_BACK:
            return body_hand.scratch_back(take)
        case Gesture.FOLD_ARMS:
            return hands.fold_arms(take)
        case Gesture.DUST_CLOTHES:
            return body_hand.dust_clothes(take)
        case Gesture.ARMS_BEHIND:
            return body_hand.arms_behind(take)
        case Gesture.MOVE_TORSO:
            return torso.move_torso(take)
        case Gesture.SIT_STRAIGHT:
            return torso.sit_straight(take)
        case Gesture.TOUCH_ARM:
            return hands.touch_arm(take)
        case Gesture.RUB_HANDS:
            return hands.rub_hands(take)
        case Gesture.CROSS_FINGERS:
            return hands.cross_fingers(take)
        case Gesture.MINARET:
            return hands.minaret(take)
        case Gesture.MANIPULATE:
            return hands.manipulate(take)
        case Gesture.HOLD_BACK_ARM:
            return body_hand.hold_back_arm(take)
        case Gesture.HEAD_UP:
            return head.head_up(take)
        case Gesture.PRESS_LIPS:
            return face.press_lips(take)
        case Gesture.ARMS_AKIMBO:
            return body_hand.arms_akimbo(take)
        case Gesture.SHAKE_SHOULDERS:
            return torso.shake_shoulders(take)
        case Gesture.ILLUSTRATE:
            return hands.illustrate(take)
    assert_never(gesture)
