"""Pose bones over time: forward kinematics, torso and head controls, fingers, two-bone limb IK.

Convention of the rig: a bone's rotation is about the world's axes through the bone's head, chained
from its parent. So a posed point is  M_b x  with  M_b = M_parent . (R_b about head_b).
Legend: T frames, B bones.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.synthetic.assets import Body, HandRig, read_rig
from benchmark.synthetic.geometry import Array, frame, limit_swing, rotation, unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLEX = (1.15, 1.45, 0.9)  # radians of the three finger joints at curl 1
_THUMB_FLEX = (0.55, 0.6, 0.8)
_LARGEST_WRIST_BEND = 1.05


class Control(IntEnum):
    """Controls of torso, neck, shoulders and eyes; angles in radians, offsets in meters."""

    SLIDE = 0
    """Whole body to its left."""
    ADVANCE = 1
    """Whole body to the front."""
    RISE = 2
    LEAN = 3
    """Forward bend of the whole spine."""
    SIDE = 4
    """Bend to the person's left."""
    TWIST = 5
    """Turn to the person's left."""
    CHEST = 6
    """Breath: the chest opens."""
    PITCH = 7
    """Head down."""
    YAW = 8
    """Head to the person's left."""
    ROLL = 9
    """Head tilts to the person's left."""
    POKE = 10
    """Neck forward with the face kept level."""
    SHRUG_LEFT = 11
    SHRUG_RIGHT = 12
    HUNCH = 13
    """Both shoulders forward."""
    GAZE_YAW = 14
    GAZE_PITCH = 15
    SINK = 16
    """Head down into the shoulders, meters."""


@dataclass
class Bones:
    """Posed bones: `turn` (T, B, 3, 3) and `shift` (T, B, 3) of each bone's map rest -> world."""

    body: Body
    turn: Array
    shift: Array

    def head(self, bone: int) -> Array:
        """Compute (T, 3) where a bone's head is."""
        return self.turn[:, bone] @ self.body.heads[bone] + self.shift[:, bone]

    def vertex(self, vertex: int, frames: slice) -> Array:
        """Compute (n, 3) where a vertex of the skin is in `frames`, without face actions."""
        rig = read_rig()
        rest = self.body.rest[vertex]
        place = np.zeros((frames.stop - frames.start, 3))
        for bone, weight in zip(rig.bone_idx[vertex], rig.bone_w[vertex], strict=True):
            turned = self.turn[frames, bone] @ rest + self.shift[frames, bone]
            place += weight * turned
        return place

    def chain(self, bone: int, local: Array | None, frames: slice) -> None:
        """Pose one bone from its parent, with the rotation `local` (n, 3, 3) or none."""
        parent = read_rig().parents[bone]
        if local is None:
            self.turn[frames, bone] = self.turn[frames, parent]
            self.shift[frames, bone] = self.shift[frames, parent]
            return
        # Turning about the bone's head, not the origin: the head must end where the parent puts it.
        head = self.body.heads[bone]
        parent_turn = self.turn[frames, parent]
        turn = parent_turn @ local
        pivot = (parent_turn @ head) + self.shift[frames, parent]
        self.turn[frames, bone] = turn
        self.shift[frames, bone] = pivot - turn @ head


def pose_trunk(body: Body, controls: Array) -> Bones:
    """Pose all but the arms by `controls` (T, len(Control)); arms hang as at rest."""
    rig = read_rig()
    num_frames = len(controls)
    bones = Bones(
        body,
        np.tile(np.eye(3), (num_frames, len(rig.bones), 1, 1)),
        np.zeros((num_frames, len(rig.bones), 3)),
    )
    c = controls.T
    bones.shift[:, 0] = np.stack([c[Control.SLIDE], -c[Control.ADVANCE], c[Control.RISE]], axis=1)
    local = _trunk_rotations(c)
    # Parents come before children in the rig, so one run through the bones is enough.
    for index, name in enumerate(rig.bones[1:], start=1):
        bones.chain(index, local.get(name), slice(0, num_frames))
        # Sinking shifts the neck's root; all above follows, as it is chained later.
        if name == "neck01":
            bones.shift[:, index, 2] -= c[Control.SINK]
    return bones


def _trunk_rotations(c: Array) -> dict[str, Array]:
    # Several vertebrae share a bend, as in a real spine: one joint alone would show a kink.
    x, y, z = np.eye(3)

    def turn(pitch: Array, roll: Array, yaw: Array) -> Array:
        return rotation(z, yaw) @ rotation(y, roll) @ rotation(x, pitch)

    lean, side, twist = c[Control.LEAN], c[Control.SIDE], c[Control.TWIST]
    chest, poke = c[Control.CHEST], c[Control.POKE]
    pitch, yaw, roll = c[Control.PITCH], c[Control.YAW], c[Control.ROLL]
    none = np.zeros_like(lean)
    spine = turn(lean / 3, side / 3, twist / 3)
    upper = turn(lean / 4 - chest, side / 4, twist / 3)
    # Poking bends the neck forward and the head back by more, so that the face stays level.
    neck = turn(pitch * 0.15 + poke, roll * 0.2, yaw * 0.15)
    out = {
        "spine05": spine,
        "spine03": spine,
        "spine02": upper,
        "spine01": turn(lean / 10, side / 10, none),
        "neck01": neck,
        "neck02": turn(pitch * 0.15 + poke * 0.2, roll * 0.2, yaw * 0.15),
        "head": turn(pitch * 0.7 - poke * 1.2 + chest, roll * 0.6, yaw * 0.7),
    }
    for mark, side_sign, shrug in (
        ("L", 1, c[Control.SHRUG_LEFT]),
        ("R", -1, c[Control.SHRUG_RIGHT]),
    ):
        out[f"clavicle.{mark}"] = turn(none, -side_sign * shrug, -side_sign * c[Control.HUNCH])
        out[f"eye.{mark}"] = turn(c[Control.GAZE_PITCH], none, c[Control.GAZE_YAW])
    return out


def finger_rotations(hand: HandRig, body: Body, curls: Array) -> dict[int, Array]:
    """Compute rotations of the finger bones for `curls` (T, 6): thumb..little 0..1, then spread."""
    out: dict[int, Array] = {}
    heads = body.heads
    for number, chain in enumerate(hand.fingers):
        along = unit(heads[chain[2]] - heads[chain[1]])
        if number == 0:
            # The thumb closes across the palm, towards the little finger's root.
            closing = unit(hand.palm * 0.8 + unit(heads[hand.fingers[4][0]] - heads[chain[0]]))
            axis = unit(np.cross(along, closing))
            flex = _THUMB_FLEX
        else:
            axis = unit(np.cross(along, hand.palm))
            flex = _FLEX
        for joint, bone in enumerate(chain):
            bend = rotation(axis, curls[:, number] * flex[joint])
            if joint == 0 and number > 0:
                # Fingers fan out from the middle one, numbers 1 to 4 from index to little finger.
                fan = (number - 2.5) * 0.16 * hand.side
                bend = rotation(hand.palm, -fan * curls[:, 5]) @ bend
            out[bone] = bend
    return out


def hand_points(hand: HandRig, body: Body, curls: Array) -> tuple[Array, Array]:
    """Compute finger tips (T, 5, 3) and knuckles (4, 3) relative to the wrist, in rest axes."""
    rotations = finger_rotations(hand, body, curls)
    heads = body.heads
    origin = heads[hand.wrist]
    tips = np.empty((len(curls), 5, 3))
    for number, chain in enumerate(hand.fingers):
        point = np.broadcast_to(hand.rest_tips[number], (len(curls), 3)).astype(float)
        # From the tip inwards, each joint turns all that lies beyond it.
        for bone in reversed(chain):
            point = (rotations[bone] @ (point - heads[bone])[..., None])[..., 0] + heads[bone]
        tips[:, number] = point - origin
    knuckles = np.stack([heads[chain[0]] for chain in hand.fingers[1:]]) - origin
    return tips, knuckles


class LimbTarget(NamedTuple):
    """Where an arm or leg ends in T frames."""

    wrist: Array
    """(T, 3) place of the wrist or ankle."""
    turn: Array
    """(T, 3, 3) rotation of the hand or foot."""
    pole: Array
    """(T, 3) direction of the elbow or knee."""


def pose_arm(bones: Bones, hand: HandRig, frames: slice, target: LimbTarget) -> None:
    """Bend one arm so that it ends at its target; pose the fingers after this.

    A wrist beyond reach comes as near as it can; a wrist that would bend too far bends less.

    Args:
        bones: Posed trunk; the arm's bones are written.
        hand: The hand at the arm's end.
        frames: Frames to pose.
        target: Place and rotation of the hand in these frames.
    """
    rig, body = read_rig(), bones.body
    mark = "L" if hand.side > 0 else "R"
    index = {
        name: rig.bone(f"{name}.{mark}")
        for name in ("shoulder01", "upperarm01", "upperarm02", "lowerarm01", "lowerarm02", "wrist")
    }
    bones.chain(index["shoulder01"], None, frames)
    heads = body.heads
    first, second, third = (heads[index[n]] for n in ("upperarm01", "lowerarm01", "wrist"))
    parent = index["shoulder01"]
    shoulder = bones.turn[frames, parent] @ first + bones.shift[frames, parent]
    upper, lower = solve_limb(shoulder, target, (first, second, third))
    chain_global(bones, index["upperarm01"], upper, frames)
    bones.chain(index["upperarm02"], None, frames)
    chain_global(bones, index["lowerarm01"], lower, frames)
    axis = unit(third - second).astype(np.float64)
    relative, twist = limit_swing(lower.transpose(0, 2, 1) @ target.turn, axis, _LARGEST_WRIST_BEND)
    # Twisting the wrist alone would wring the skin like a cloth: the forearm takes part of it.
    bones.chain(index["lowerarm02"], rotation(axis, twist * 0.6), frames)
    chain_global(bones, index["wrist"], lower @ relative, frames)


def chain_hand(bones: Bones, hand: HandRig, frames: slice, curls: Array) -> None:
    """Pose all finger bones of a hand whose wrist is posed.

    Args:
        bones: The bones to write.
        hand: The hand.
        frames: Frames to pose.
        curls: (n, 6) thumb..little 0..1, then spread.
    """
    rig = read_rig()
    mark = rig.bones[hand.wrist][-1]
    rotations = finger_rotations(hand, bones.body, curls)
    for index, name in enumerate(rig.bones):
        if name.endswith(mark) and name.startswith(("finger", "metacarpal")):
            bones.chain(index, rotations.get(index), frames)


def chain_global(bones: Bones, bone: int, turn: Array, frames: slice) -> None:
    """Pose one bone by its rotation in the world, whatever its parent's.

    Args:
        bones: The bones to write.
        bone: Index of the bone.
        turn: (n, 3, 3) rotation in the world.
        frames: Frames to pose.
    """
    parent = bones.turn[frames, read_rig().parents[bone]]
    bones.chain(bone, parent.transpose(0, 2, 1) @ turn, frames)


def solve_limb(
    shoulder: Array, target: LimbTarget, joints: tuple[NDArray, NDArray, NDArray]
) -> tuple[Array, Array]:
    """Solve for the rotations (T, 3, 3) of both parts of a limb that bring its end to a target.

    Args:
        shoulder: (T, 3) place of the limb's first joint.
        target: Place of its end, and direction of the joint in between.
        joints: (3,) places of the three joints at rest.
    """
    first, second, third = joints
    upper, lower = np.linalg.norm(second - first), np.linalg.norm(third - second)
    reach = target.wrist - shoulder
    distance = np.linalg.norm(reach, axis=1)
    # Never quite straight: there the elbow's direction is undefined and would flip between frames.
    clamped = np.clip(distance, abs(upper - lower) + 0.06, 0.985 * (upper + lower))
    direction = unit(reach)
    # Law of cosines: the elbow's foot on the line from shoulder to wrist, and its height above it.
    along = (upper**2 - lower**2 + clamped**2) / (2 * clamped)
    height = np.sqrt(np.maximum(upper**2 - along**2, 1e-8))
    side = unit(target.pole - (target.pole * direction).sum(1, keepdims=True) * direction)
    elbow = shoulder + along[:, None] * direction + height[:, None] * side
    hinge = -np.cross(direction, side)
    rest_upper, rest_lower = unit(second - first), unit(third - second)
    rest_hinge = unit(np.cross(rest_upper, rest_lower))
    end = shoulder + clamped[:, None] * direction
    rest_a = frame(rest_upper, rest_hinge).transpose(0, 2, 1)
    rest_b = frame(rest_lower, rest_hinge).transpose(0, 2, 1)
    return frame(elbow - shoulder, hinge) @ rest_a, frame(end - elbow, hinge) @ rest_b
