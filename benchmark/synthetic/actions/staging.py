"""Turn one action into bones in every frame of its clip: a whole person on a chair.

As `choreography` does for gestures, with legs: trunk and legs come first, then the hands move to
their goals on the posed body. Legend: T frames.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from benchmark.synthetic.assets import Body, read_hand
from benchmark.synthetic.choreography import (
    Acting,
    Stage,
    lift_shoulders,
    matrices,
    reach_goals,
    rest,
)
from benchmark.synthetic.geometry import Array, rotation, smooth_noise
from benchmark.synthetic.gestures.motion import (
    LEFT,
    RIGHT,
    Axes,
    Contact,
    Desk,
    Goal,
    Leg,
    Motion,
    Step,
    Vector,
)
from benchmark.synthetic.idle_motion import idle_motion
from benchmark.synthetic.legs import pose_leg, seat
from benchmark.synthetic.skeleton import Bones, LimbTarget, chain_hand, pose_arm, pose_trunk

if TYPE_CHECKING:
    from benchmark.synthetic.scene import Scene

_CALM = 0.6
"""Share of the idle motion at a press conference: people move less in a seated interview."""
_THIGH: Vector = (0.25, -1.0, 0.0)
_RESTS: tuple[tuple[Leg | Desk, Vector, Vector], ...] = (
    (Leg("upperleg01", 0.68, _THIGH), (-0.35, -0.90, -0.1), (0.0, -0.1, -1.0)),
    (Leg("upperleg01", 0.55, _THIGH), (-0.60, -0.75, 0.0), (0.0, 0.0, -1.0)),
    (Desk((0.035, 0.20, 0.03)), (-0.80, -0.60, -0.05), (-0.2, 0.1, -1.0)),
    (Desk((0.05, 0.15, 0.02)), (-0.90, -0.45, 0.0), (-0.3, 0.4, -0.8)),
)
"""Place, pointing and palm of resting hands: on the thighs, inward, in the lap, folded there."""


def stage_action(
    body: Body, scene: Scene, motion: Motion, *,
    fps: float, habits: np.random.Generator, rng: np.random.Generator,
) -> Acting:  # fmt: skip
    """Let one person perform.

    Args:
        body: The person's body.
        scene: The room.
        motion: The action, in all T frames of the clip.
        fps: Frames per second.
        habits: Random generator of the person, alike in all clips: how the feet stand.
        rng: Random generator of the clip.
    """
    num_frames = len(motion.controls)
    lift_shoulders(motion)
    base = idle_motion(rng, num_frames, fps)
    actions = base.actions + motion.actions + base.talk * (1 - motion.mute)[:, None]
    bones = pose_trunk(body, base.controls * _CALM + motion.controls)
    _pose_legs(bones, motion, habits, rng)
    stage = Stage(bones, scene)
    hands = {side: read_hand(body, side) for side in (LEFT, RIGHT)}
    tracks = rest(stage, hands, (), rng, rest_goals)
    all_frames = slice(0, num_frames)
    reach_goals(stage, hands, tracks, all_frames, motion)
    for side, hand in hands.items():
        pose_arm(bones, hand, all_frames, tracks[side].at(all_frames))
        chain_hand(bones, hand, all_frames, tracks[side].curls)
    pen = np.full(num_frames, motion.pen, np.int8)
    return Acting(bones, matrices(bones), actions.astype(np.float32), pen)


def rest_goals(rng: np.random.Generator, num_frames: int) -> dict[int, Goal]:
    """Choose where each hand of a seated person lies: side -> goal."""
    goals: dict[int, Goal] = {}
    alike = int(rng.choice(len(_RESTS)))
    for side in (LEFT, RIGHT):
        place, pointing, palm = _RESTS[alike]
        if isinstance(place, Leg):
            place = Leg(place.bone, float(place.along + rng.normal(0, 0.05)), place.out)
        curls = np.full((num_frames, 6), 0.12)
        curls[:, 1:5] += rng.uniform(0.0, 0.35) + rng.normal(0, 0.04, 4)
        lift = np.array([0.0, 0.0, 0.022 + 0.02 * (side > 0) * isinstance(place, Desk)])
        goals[side] = Goal(
            place=place, contact=Contact.PALM, pointing=pointing, palm=palm,
            elbow=(0.4, 0.5, -0.75), weight=np.ones(num_frames), curls=curls,
            drift=np.broadcast_to(lift, (num_frames, 3)), wobble=np.zeros(num_frames),
            axes=Axes.CHEST, arc=(0.0, 0.0, 0.0),
        )  # fmt: skip
    return goals


def _pose_legs(
    bones: Bones, motion: Motion, habits: np.random.Generator, rng: np.random.Generator
) -> None:  # fmt: skip
    """Stand the feet on the floor in front of the chair; add the motion's steps.

    Args:
        bones: Posed trunk; the legs' bones are written.
        motion: The action.
        habits: Random generator of the person.
        rng: Random generator of the clip.
    """
    num_frames = len(bones.turn)
    where = seat(bones.body.identity)
    apart, ahead = habits.uniform(0.10, 0.16), where.knee + habits.uniform(-0.10, 0.04)
    lean, toes = habits.uniform(0.0, 0.3), habits.uniform(-0.05, 0.3)
    zero = np.zeros(num_frames)
    still = Step(np.zeros((num_frames, 3)), zero, zero, zero)
    for side in (LEFT, RIGHT):
        step = motion.feet.get(side, still)
        sway = 0.004 * smooth_noise(rng, num_frames, 22, 3) * [1, 1, 0]
        resting = np.array([apart, ahead, where.floor + where.ankle])
        resting += rng.normal(0, [0.012, 0.02, 0])
        ankle = (resting + sway + step.shift) * [side, -1, 1]
        out = (lean + step.knee + sway[:, 0] * 6) * side
        pole = np.stack([out, np.full(num_frames, -0.5), np.ones(num_frames)], 1)
        turn = rotation([0, 0, 1], side * (toes + step.yaw)) @ rotation([1, 0, 0], step.pitch)
        pose_leg(bones, side, slice(0, num_frames), LimbTarget(ankle, turn, pole))


def of_whole_clip(motion: Motion, start: int, num_frames: int) -> Motion:
    """Pad a motion to the whole clip: its first frame before `start`, its last one after it."""
    after = num_frames - start - len(motion.controls)

    def padded(values: Array) -> Array:
        return np.pad(values, [(start, after)] + [(0, 0)] * (values.ndim - 1), mode="edge")

    def goal(of: Goal) -> Goal:
        return replace(
            of, weight=padded(of.weight), curls=padded(of.curls), drift=padded(of.drift),
            wobble=padded(of.wobble),
        )  # fmt: skip

    def step(of: Step) -> Step:
        return Step(padded(of.shift), padded(of.knee), padded(of.pitch), padded(of.yaw))

    return Motion(
        padded(motion.controls), padded(motion.actions), padded(motion.mute),
        {side: goal(of) for side, of in motion.goals.items()}, motion.pen,
        {side: step(of) for side, of in motion.feet.items()},
    )  # fmt: skip
