"""List the 52 action programs in the order of the Micro-Action 52 data set's class list.

Source: Guo et al. 2024, Benchmarking Micro-action Recognition (arXiv 2403.05234); names and order
from `label_name.txt` of the repository VUT-HFUT/Micro-Action.
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from benchmark.synthetic.actions import body, head, leg_hand, lower_limb, self_touch, upper_limb
from benchmark.synthetic.gestures import body_hand, hands, head_hand

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark.synthetic.gestures.motion import Motion, Take


class Body(Enum):
    """Body group: first and last action."""

    BODY = (0, 4)
    HEAD = (5, 10)
    UPPER_LIMB = (11, 23)
    LOWER_LIMB = (24, 31)
    BODY_HAND = (32, 37)
    HEAD_HAND = (38, 47)
    LEG_HAND = (48, 51)


class Action(IntEnum):
    """Class index 0..51."""

    SHAKING_BODY = 0
    SITTING_STRAIGHTLY = 1
    SHRUGGING = 2
    TURNING_AROUND = 3
    RISING_UP = 4
    BOWING_HEAD = 5
    HEAD_UP = 6
    TILTING_HEAD = 7
    TURNING_HEAD = 8
    NODDING = 9
    SHAKING_HEAD = 10
    SCRATCHING_ARMS = 11
    PLAYING_OBJECTS = 12
    PUTTING_HANDS_TOGETHER = 13
    RUBBING_HANDS = 14
    POINTING_ONESELF = 15
    CLENCHING_FIST = 16
    STRETCHING_ARMS = 17
    RETRACTING_ARMS = 18
    WAVING = 19
    SPREADING_HANDS = 20
    HANDS_TOUCHING_FINGERS = 21
    OTHER_FINGER_MOVEMENTS = 22
    ILLUSTRATIVE_GESTURES = 23
    SHAKING_LEGS = 24
    CURLING_LEGS = 25
    SPREAD_LEGS = 26
    CLOSING_LEGS = 27
    CROSSING_LEGS = 28
    STRETCHING_FEET = 29
    RETRACTING_FEET = 30
    TIPTOE = 31
    SCRATCHING_OR_TOUCHING_NECK = 32
    SCRATCHING_OR_TOUCHING_CHEST = 33
    SCRATCHING_OR_TOUCHING_BACK = 34
    SCRATCHING_OR_TOUCHING_SHOULDER = 35
    ARMS_AKIMBO = 36
    CROSSING_ARMS = 37
    PLAYING_OR_TIDYING_HAIR = 38
    SCRATCHING_OR_TOUCHING_HINDBRAIN = 39
    SCRATCHING_OR_TOUCHING_FOREHEAD = 40
    SCRATCHING_OR_TOUCHING_FACE = 41
    RUBBING_EYES = 42
    TOUCHING_NOSE = 43
    TOUCHING_EARS = 44
    COVERING_FACE = 45
    COVERING_MOUTH = 46
    PUSHING_GLASSES = 47
    PATTING_LEGS = 48
    TOUCHING_LEGS = 49
    SCRATCHING_LEGS = 50
    SCRATCHING_FEET = 51

    @property
    def title(self) -> str:
        """The name as the data set writes it."""
        return self.name.lower().replace("_", " ")

    @property
    def body(self) -> Body:
        """The body group."""
        return next(group for group in Body if group.value[0] <= self <= group.value[1])


# Where Micro-Action 52 and iMiGUE name the same movement, both data sets share one program.
PROGRAMS: dict[Action, Callable[[Take], Motion]] = {
    Action.SHAKING_BODY: body.shaking_body,
    Action.SITTING_STRAIGHTLY: body.sitting_straightly,
    Action.SHRUGGING: body.shrugging,
    Action.TURNING_AROUND: body.turning_around,
    Action.RISING_UP: body.rising_up,
    Action.BOWING_HEAD: head.bowing_head,
    Action.HEAD_UP: head.head_up,
    Action.TILTING_HEAD: head.tilting_head,
    Action.TURNING_HEAD: head.turning_head,
    Action.NODDING: head.nodding,
    Action.SHAKING_HEAD: head.shaking_head,
    Action.SCRATCHING_ARMS: hands.touch_arm,
    Action.PLAYING_OBJECTS: hands.manipulate,
    Action.PUTTING_HANDS_TOGETHER: upper_limb.putting_hands_together,
    Action.RUBBING_HANDS: hands.rub_hands,
    Action.POINTING_ONESELF: upper_limb.pointing_oneself,
    Action.CLENCHING_FIST: upper_limb.clenching_fist,
    Action.STRETCHING_ARMS: upper_limb.stretching_arms,
    Action.RETRACTING_ARMS: upper_limb.retracting_arms,
    Action.WAVING: upper_limb.waving,
    Action.SPREADING_HANDS: upper_limb.spreading_hands,
    Action.HANDS_TOUCHING_FINGERS: upper_limb.hands_touching_fingers,
    Action.OTHER_FINGER_MOVEMENTS: upper_limb.other_finger_movements,
    Action.ILLUSTRATIVE_GESTURES: hands.illustrate,
    Action.SHAKING_LEGS: lower_limb.shaking_legs,
    Action.CURLING_LEGS: lower_limb.curling_legs,
    Action.SPREAD_LEGS: lower_limb.spread_legs,
    Action.CLOSING_LEGS: lower_limb.closing_legs,
    Action.CROSSING_LEGS: lower_limb.crossing_legs,
    Action.STRETCHING_FEET: lower_limb.stretching_feet,
    Action.RETRACTING_FEET: lower_limb.retracting_feet,
    Action.TIPTOE: lower_limb.tiptoe,
    Action.SCRATCHING_OR_TOUCHING_NECK: body_hand.touch_neck,
    Action.SCRATCHING_OR_TOUCHING_CHEST: self_touch.touching_chest,
    Action.SCRATCHING_OR_TOUCHING_BACK: body_hand.scratch_back,
    Action.SCRATCHING_OR_TOUCHING_SHOULDER: self_touch.touching_shoulder,
    Action.ARMS_AKIMBO: body_hand.arms_akimbo,
    Action.CROSSING_ARMS: hands.fold_arms,
    Action.PLAYING_OR_TIDYING_HAIR: head_hand.touch_hair,
    Action.SCRATCHING_OR_TOUCHING_HINDBRAIN: self_touch.touching_hindbrain,
    Action.SCRATCHING_OR_TOUCHING_FOREHEAD: head_hand.touch_forehead,
    Action.SCRATCHING_OR_TOUCHING_FACE: self_touch.touching_face,
    Action.RUBBING_EYES: head_hand.rub_eyes,
    Action.TOUCHING_NOSE: self_touch.touching_nose,
    Action.TOUCHING_EARS: head_hand.touch_ear,
    Action.COVERING_FACE: self_touch.covering_face,
    Action.COVERING_MOUTH: self_touch.covering_mouth,
    Action.PUSHING_GLASSES: self_touch.pushing_glasses,
    Action.PATTING_LEGS: leg_hand.patting_legs,
    Action.TOUCHING_LEGS: leg_hand.touching_legs,
    Action.SCRATCHING_LEGS: leg_hand.scratching_legs,
    Action.SCRATCHING_FEET: leg_hand.scratching_feet,
}
"""Every action's program."""


def perform(action: Action, take: Take) -> Motion:
    """Make up one performance of an action."""
    return PROGRAMS[action](take)
