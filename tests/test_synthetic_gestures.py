"""Each gesture program moves what its name says, on bodies of different build."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.synthetic import choreography, keypoints
from benchmark.synthetic.assets import read_body, read_hand, read_rig
from benchmark.synthetic.gestures.gesture import PROGRAMS, Gesture, perform
from benchmark.synthetic.gestures.motion import Take, places
from benchmark.synthetic.plan import Performance
from benchmark.synthetic.scene import build_scene
from benchmark.synthetic.skeleton import Control

_START, _END, _FRAMES = 10, 43, 54
_APEX = 26
_BODIES = (3, 21, 40)

_TOUCHES = {
    Gesture.TOUCH_HEAD: ("crown", "scalp"),
    Gesture.TOUCH_FOREHEAD: ("forehead",),
    Gesture.RUB_EYES: ("eye",),
    Gesture.TOUCH_FACE: ("nose", "cheek", "lips", "mouth corner"),
    Gesture.TOUCH_EAR: ("ear",),
    Gesture.BITE_NAILS: ("lips",),
    Gesture.TOUCH_NECK: ("neck", "nape"),
    Gesture.TOUCH_HAIR: ("scalp", "behind", "temple"),
    Gesture.ADJUST_COLLAR: ("collar", "breast"),
    Gesture.COVER_NOTCH: ("notch",),
    Gesture.TOUCH_ARM: ("other upper arm", "other forearm"),
}


def _act(gesture: Gesture, identity: int) -> choreography.Acting:
    rng = np.random.default_rng([int(gesture), identity])
    scene = build_scene(rng, 320, 180)
    clip = (Performance(gesture, _START, _END),)
    return choreography.act(read_body(identity), scene, clip, num_frames=_FRAMES, fps=25, rng=rng)


def _place(acting: choreography.Acting, vertex: int, frame: int = _APEX) -> np.ndarray:
    return acting.bones.vertex(vertex, slice(frame, frame + 1))[0]


def _nearest_finger(acting: choreography.Acting, names: tuple[str, ...]) -> float:
    """Meters between any finger tip or knuckle and any of the named places, during the hold."""
    best = np.inf
    for side in (1, -1):
        hand = read_hand(acting.bones.body, side)
        for frame in (_APEX - 4, _APEX, _APEX + 4):
            tips = [_place(acting, int(v), frame) for v in hand.tips]
            tips += [acting.bones.head(f[0])[frame] for f in hand.fingers[1:]]
            for name in names:
                goal = _place(acting, places(side)[name].vertex, frame)
                best = min(best, *(float(np.linalg.norm(t - goal)) for t in tips))
    return best


def _wrists(acting: choreography.Acting, frame: int) -> np.ndarray:
    """(2, 3) left and right wrist."""
    rig = read_rig()
    return np.stack([acting.bones.head(rig.bone(f"wrist.{m}"))[frame] for m in "LR"])


@pytest.mark.parametrize("identity", _BODIES)
@pytest.mark.parametrize("gesture", list(_TOUCHES))
def test_a_finger_reaches_the_place_that_the_gesture_names(gesture, identity):
    acting = _act(gesture, identity)
    assert _nearest_finger(acting, _TOUCHES[gesture]) < 0.04


@pytest.mark.parametrize("gesture", list(_TOUCHES))
def test_hands_are_away_from_the_place_before_the_gesture(gesture):
    acting = _act(gesture, 3)
    for side in (1, -1):
        hand = read_hand(acting.bones.body, side)
        for name in _TOUCHES[gesture][:1]:
            if "arm" in name:
                continue
            goal = _place(acting, places(side)[name].vertex, 0)
            tips = [_place(acting, int(v), 0) for v in hand.tips]
            assert min(np.linalg.norm(t - goal) for t in tips) > 0.10


@pytest.mark.parametrize("identity", _BODIES)
def test_finger_tips_of_both_hands_meet_in_the_minaret(identity):
    acting = _act(Gesture.MINARET, identity)
    left, right = (read_hand(acting.bones.body, side).tips for side in (1, -1))
    gaps = [np.linalg.norm(_place(acting, int(a)) - _place(acting, int(b)))
            for a, b in zip(left[1:4], right[1:4], strict=True)]  # fmt: skip
    assert max(gaps) < 0.07


@pytest.mark.parametrize("gesture", [Gesture.RUB_HANDS, Gesture.CROSS_FINGERS])
@pytest.mark.parametrize("identity", _BODIES)
def test_hands_come_together(gesture, identity):
    acting = _act(gesture, identity)
    rig = read_rig()
    left, right = (acting.bones.head(rig.bone(f"finger3-1.{m}"))[_APEX] for m in "LR")
    assert np.linalg.norm(left - right) < 0.10


@pytest.mark.parametrize("identity", _BODIES)
def test_folded_arms_put_each_wrist_on_the_other_side(identity):
    acting = _act(Gesture.FOLD_ARMS, identity)
    left, right = _wrists(acting, _APEX)
    middle = acting.bones.head(read_rig().bone("spine01"))[_APEX, 0]
    assert left[0] < middle < right[0]


@pytest.mark.parametrize("identity", _BODIES)
def test_arms_behind_the_body_are_behind_it(identity):
    wrists = _wrists(_act(Gesture.ARMS_BEHIND, identity), _APEX)
    assert (wrists[:, 1] > 0.03).all()


@pytest.mark.parametrize("identity", _BODIES)
def test_akimbo_elbows_point_outward(identity):
    acting = _act(Gesture.ARMS_AKIMBO, identity)
    rig = read_rig()
    left, right = (acting.bones.head(rig.bone(f"lowerarm01.{m}"))[_APEX] for m in "LR")
    wrists = _wrists(acting, _APEX)
    assert left[0] > wrists[0, 0] + 0.05
    assert right[0] < wrists[1, 0] - 0.05


def _offsets(gesture: Gesture) -> np.ndarray:
    """(32 takes, 34 frames, controls) of one program."""
    takes = [Take(np.random.default_rng(s), 34, 1 - 2 * (s % 2), 1.0) for s in range(8)]
    return np.stack([perform(gesture, take).controls for take in takes])


def test_every_class_has_its_own_program():
    assert list(PROGRAMS) == list(Gesture)
    assert len(set(PROGRAMS.values())) == 32
    assert [g.raw for g in Gesture] == [*range(1, 32), 99]


def test_head_up_lifts_the_chin_and_turtle_neck_pokes_it_forward():
    assert (_offsets(Gesture.HEAD_UP)[..., Control.PITCH].min(1) < -0.3).all()
    assert (_offsets(Gesture.TURTLE_NECK)[..., Control.POKE].max(1) > 0.2).all()
    assert (_offsets(Gesture.TURTLE_NECK)[..., Control.SHRUG_LEFT].max(1) > 0.2).all()


def test_shoulders_shake_and_the_torso_moves():
    shrug = _offsets(Gesture.SHAKE_SHOULDERS)[..., [Control.SHRUG_LEFT, Control.SHRUG_RIGHT]]
    assert (shrug.max((1, 2)) > 0.08).all()
    torso = [Control.SIDE, Control.TWIST, Control.LEAN]
    assert (np.ptp(_offsets(Gesture.MOVE_TORSO)[..., torso], axis=1).max(1) > 0.1).all()


def test_sitting_straight_ends_higher_than_it_begins():
    rise = _offsets(Gesture.SIT_STRAIGHT)[..., Control.RISE]
    assert (rise[:, 24] > rise[:, 4]).all()


@pytest.mark.parametrize(
    ("gesture", "action"),
    [
        (Gesture.PRESS_LIPS, "mouthRollLower"),
        (Gesture.PRESS_LIPS, "mouthPressLeft"),
        (Gesture.DEEP_BREATH, "cheekPuff"),
        (Gesture.RUB_EYES, "eyeBlinkLeft"),
        (Gesture.BITE_NAILS, "jawOpen"),
    ],
)
def test_the_face_acts(gesture, action):
    take = Take(np.random.default_rng(0), 34, 1, 1.0)
    actions = perform(gesture, take).actions[:, read_rig().actions[action]]
    assert actions.max() > 0.15
    assert abs(actions[0]) < 0.05


def test_only_manipulation_takes_the_pen_in_hand():
    for gesture in Gesture:
        take = Take(np.random.default_rng(0), 34, -1, 1.0)
        assert (perform(gesture, take).pen != 0) == (gesture is Gesture.MANIPULATE)


@pytest.mark.parametrize("gesture", list(Gesture))
def test_every_motion_is_finite_and_smooth_and_keeps_bone_lengths(gesture):
    acting = _act(gesture, 21)
    assert np.isfinite(acting.matrices).all()
    points = keypoints.find_points(acting.bones.body)
    joints = keypoints.joint_places(acting.bones, points)
    arms = joints[:, 2:8]
    assert np.linalg.norm(np.diff(arms, axis=0), axis=2).max() < 0.16
    upper = np.linalg.norm(joints[:, 3] - joints[:, 2], axis=1)
    assert np.ptp(upper) < 1e-5
