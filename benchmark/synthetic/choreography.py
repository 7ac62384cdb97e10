"""Turn the plan of one video into bones and face actions in every frame.

Trunk and head come first (idle motion plus the gestures' offsets). Then each performance moves the
hands from where they rest to their goals on the posed body, and back.
Legend: T frames of the video, n frames of a performance, B bones, A face actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.synthetic.assets import Body, HandRig, read_hand, read_rig
from benchmark.synthetic.geometry import (
    Array,
    blend,
    frame,
    rotation,
    smooth_noise,
    smoothstep,
    unit,
)
from benchmark.synthetic.gestures.gesture import Gesture, perform
from benchmark.synthetic.gestures.motion import (
    LEFT,
    RIGHT,
    Axes,
    Chest,
    Contact,
    Desk,
    Goal,
    Leg,
    Motion,
    Skin,
    Take,
)
from benchmark.synthetic.idle_motion import idle_motion, rest_goals
from benchmark.synthetic.legs import leg_point
from benchmark.synthetic.skeleton import (
    Bones,
    Control,
    LimbTarget,
    chain_hand,
    hand_points,
    pose_arm,
    pose_trunk,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmark.synthetic.plan import Performance
    from benchmark.synthetic.scene import Scene

    RestGoals = Callable[[np.random.Generator, int], dict[int, Goal]]

_SKIN_GAP = 0.006
_REFINEMENTS = 2


class Acting(NamedTuple):
    """Motion of a whole video."""

    bones: Bones
    matrices: NDArray[np.float32]
    """(T, B + 1, 3, 4), the last bone static."""
    actions: NDArray[np.float32]
    """(T, A)."""
    pen: NDArray[np.int8]
    """(T,) side of the hand that holds the pen, 0 where it lies on the desk."""


@dataclass
class Tracks:
    """One hand in each frame."""

    wrist: Array
    turn: Array
    pole: Array
    curls: Array

    def at(self, frames: slice) -> LimbTarget:
        """Return the arm's target in these frames."""
        return LimbTarget(self.wrist[frames], self.turn[frames], self.pole[frames])


def act(
    body: Body, scene: Scene, performances: tuple[Performance, ...], *,
    num_frames: int, fps: float, rng: np.random.Generator,
) -> Acting:  # fmt: skip
    """Let one person perform.

    Args:
        body: The person's body.
        scene: The place, of which the desk's height matters.
        performances: The gestures, in order.
        num_frames: T.
        fps: Frames per second.
        rng: Random generator of the acting.
    """
    motions = _rehearse(performances, rng)
    base = idle_motion(rng, num_frames, fps)
    controls, actions, mute = base.controls, base.actions, np.zeros(num_frames)
    pen = np.zeros(num_frames, np.int8)
    for performance, motion in zip(performances, motions, strict=True):
        frames = slice(performance.start, performance.end + 1)
        controls[frames] += motion.controls
        actions[frames] += motion.actions
        mute[frames] = motion.mute
        pen[frames] = motion.pen
    actions += base.talk * (1 - mute)[:, None]
    # The trunk has to be posed before any hand: goals lie on the skin as it moves.
    bones = pose_trunk(body, controls)
    stage = Stage(bones, scene)
    hands = {side: read_hand(body, side) for side in (LEFT, RIGHT)}
    tracks = rest(stage, hands, performances, rng)
    for performance, motion in zip(performances, motions, strict=True):
        frames = slice(performance.start, performance.end + 1)
        reach_goals(stage, hands, tracks, frames, motion)
    all_frames = slice(0, num_frames)
    for side, hand in hands.items():
        pose_arm(bones, hand, all_frames, tracks[side].at(all_frames))
        chain_hand(bones, hand, all_frames, tracks[side].curls)
    return Acting(bones, matrices(bones), actions.astype(np.float32), pen)


def _rehearse(performances: tuple[Performance, ...], rng: np.random.Generator) -> list[Motion]:
    """Make up the programs' motions; each person has a preferred hand and a vigor."""
    # Most people do most with one hand, but no class may be told by its side.
    handed = rng.choice([0.25, 0.75])
    vigor = rng.uniform(0.6, 1.2)
    motions = []
    for performance in performances:
        side = LEFT if rng.random() < handed else RIGHT
        take = Take(
            rng,
            performance.end - performance.start + 1,
            side,
            float(vigor * rng.uniform(0.7, 1.25)),
        )
        motion = perform(Gesture(performance.gesture), take)
        lift_shoulders(motion)
        motions.append(motion)
    return motions


def lift_shoulders(motion: Motion) -> None:
    """Lift the shoulder a little where its arm reaches for something."""
    for side in motion.goals:
        lift = np.maximum(motion.goals[side].weight, 0) * 0.05
        control = Control.SHRUG_LEFT if side == LEFT else Control.SHRUG_RIGHT
        motion.controls[:, control] += lift


@dataclass(frozen=True)
class Stage:
    """Posed trunk, legs and desk: turns places into points."""

    bones: Bones
    scene: Scene

    def reach(self, hand: HandRig, goal: Goal, frames: slice) -> LimbTarget:
        """Compute wrist, hand rotation and elbow direction that fulfill a goal."""
        axes = self._axes(goal, frames)
        pointing = self.turned(axes, goal.pointing, hand.side)
        palm = self.turned(axes, goal.palm, hand.side)
        turn = frame(pointing, palm) @ frame(hand.pointing, hand.palm).transpose(0, 2, 1)
        if np.any(goal.wobble):
            roll = goal.wobble * hand.side
            turn = np.stack([rotation(p, r)[0] for p, r in zip(pointing, roll, strict=True)]) @ turn
        pole = self.turned(self.chest(frames), goal.elbow, hand.side)
        place = self.place(goal, frames, hand.side)
        place = place + self.turned(axes, goal.drift, hand.side)
        # The touching point lies inside the finger: keep half a finger's thickness off the skin.
        if isinstance(goal.place, Skin | Leg):
            place = place - _SKIN_GAP * unit(palm)
        return self._refined(hand, goal, frames, place, LimbTarget(place, turn, pole))

    def _refined(
        self, hand: HandRig, goal: Goal, frames: slice, place: Array, reach: LimbTarget
    ) -> LimbTarget:
        """Keep the contact where the wrist cannot bend as far as the goal wants.

        Args:
            hand: The hand.
            goal: The goal.
            frames: Frames of the goal.
            place: (n, 3) where the touching part is to be.
            reach: Target with the hand's wanted rotation.
        """
        # `pose_arm` straightens a wrist that bends too far, which moves the finger tips away. Its
        # rotation tells where the wrist has to be instead, which changes the bend again: repeat.
        part = _contact(hand, self.bones.body, goal)
        turn = reach.turn
        wrist = place
        for _ in range(_REFINEMENTS):
            wrist = place - (turn @ part[..., None])[..., 0]
            pose_arm(self.bones, hand, frames, reach._replace(wrist=wrist))
            turn = self.bones.turn[frames, hand.wrist]
        wrist = place - (turn @ part[..., None])[..., 0]
        return LimbTarget(wrist, turn, reach.pole)

    def _axes(self, goal: Goal, frames: slice) -> Array:
        if isinstance(goal.place, Desk | Leg):
            return np.broadcast_to(np.eye(3), (frames.stop - frames.start, 3, 3))
        if goal.axes is Axes.HEAD:
            return self.bones.turn[frames, read_rig().bone("head")]
        return self.chest(frames)

    def chest(self, frames: slice) -> Array:
        """Return (n, 3, 3) axes of the chest."""
        return self.bones.turn[frames, read_rig().bone("spine01")]

    @staticmethod
    def turned(axes: Array, vector: object, side: int) -> Array:
        """Turn the left hand's direction, mirrored for the right hand, to world axes (n, 3)."""
        mirrored = np.asarray(vector, float) * [side, 1, 1]
        return (axes @ np.broadcast_to(mirrored, (len(axes), 3))[..., None])[..., 0]

    def place(self, goal: Goal, frames: slice, side: int) -> Array:
        """Compute (n, 3) where a goal's place is."""
        rig = read_rig()
        match goal.place:
            case Skin(vertex):
                return self.bones.vertex(vertex, frames)
            case Desk((x, y, z)):
                point = np.array([side * x, -y, self.scene.desk_height + z])
                return np.broadcast_to(point, (frames.stop - frames.start, 3))
            case Leg():
                return leg_point(self.bones, goal.place, side, frames)
            case Chest(at):
                # In arm lengths, so that both hands meet in front of bodies of every build.
                shoulders = [self.bones.head(rig.bone(f"upperarm01.{m}"))[frames] for m in "LR"]
                middle = (shoulders[0] + shoulders[1]) / 2
                heads = self.bones.body.heads
                chain = [heads[rig.bone(f"{n}.L")] for n in ("upperarm01", "lowerarm01", "wrist")]
                length = np.linalg.norm(chain[1] - chain[0]) + np.linalg.norm(chain[2] - chain[1])
                return middle + self.turned(self.chest(frames), np.array(at) * length, side)


def _contact(hand: HandRig, body: Body, goal: Goal) -> Array:
    """Compute (n, 3) from the wrist to the touching part of the hand, in rest axes."""
    tips, knuckles = hand_points(hand, body, goal.curls)
    n = len(goal.curls)
    match goal.contact:
        case Contact.WRIST:
            return np.zeros((n, 3))
        case Contact.PALM:
            return np.broadcast_to(knuckles.mean(0) * 0.75 + hand.palm * 0.016, (n, 3))
        case Contact.KNUCKLES:
            return np.broadcast_to(knuckles.mean(0), (n, 3))
        case Contact.INDEX:
            return tips[:, 1]
        case Contact.TIPS:
            return tips[:, 1:4].mean(1)
        case Contact.PINCH:
            return (tips[:, 0] + tips[:, 1]) / 2


def rest(
    stage: Stage, hands: dict[int, HandRig], performances: tuple[Performance, ...],
    rng: np.random.Generator, goals_at_rest: RestGoals = rest_goals,
) -> dict[int, Tracks]:  # fmt: skip
    """Let hands lie somewhere, and now and then take another place.

    Args:
        stage: Posed trunk and desk.
        hands: Side -> hand.
        performances: The gestures; a hand changes its place during one, if at all.
        rng: Random generator of the acting.
        goals_at_rest: Chooses where both hands lie.
    """
    num_frames = len(stage.bones.turn)
    all_frames = slice(0, num_frames)
    now = goals_at_rest(rng, num_frames)
    tracks: dict[int, Tracks] = {}
    for side, hand in hands.items():
        first = stage.reach(hand, now[side], all_frames)
        tracks[side] = Tracks(first.wrist.copy(), first.turn.copy(), first.pole, now[side].curls)
    for performance in performances:
        if rng.random() > 0.3:
            continue
        # The change happens while the gesture hides it: rest does not become a gesture of its own.
        goals = goals_at_rest(rng, num_frames)
        middle = (performance.start + performance.end) / 2
        weight = smoothstep((np.arange(num_frames) - middle) / 14 + 0.5)
        for side, hand in hands.items():
            _blend_in(tracks[side], stage.reach(hand, goals[side], all_frames),
                      goals[side].curls, weight, all_frames)  # fmt: skip
    for track in tracks.values():
        track.wrist += 0.003 * smooth_noise(rng, num_frames, 14, 3)
        track.curls = track.curls + 0.03 * smooth_noise(rng, num_frames, 11, 6)
    return tracks


def _blend_in(track: Tracks, reach: LimbTarget, curls: Array, weight: Array, frames: slice) -> None:
    w = weight[:, None]
    track.wrist[frames] = (1 - w) * track.wrist[frames] + w * reach.wrist
    track.turn[frames] = blend(track.turn[frames], reach.turn, weight)
    track.pole[frames] = (1 - w) * track.pole[frames] + w * reach.pole
    track.curls[frames] = (1 - w) * track.curls[frames] + w * curls


def reach_goals(
    stage: Stage, hands: dict[int, HandRig], tracks: dict[int, Tracks],
    frames: slice, motion: Motion,
) -> None:  # fmt: skip
    """Blend both hands' tracks towards the goals of one performance.

    Args:
        stage: Posed trunk and desk; its arms are posed.
        hands: Side -> hand.
        tracks: Side -> track, changed in place.
        frames: Frames of the performance.
        motion: The performance.
    """
    for side in _order(motion.goals):
        other_side = -side
        # The other arm first: this goal may lie on its skin.
        pose_arm(stage.bones, hands[other_side], frames, tracks[other_side].at(frames))
        goal = motion.goals[side]
        reach = stage.reach(hands[side], goal, frames)
        _blend_in(tracks[side], reach, goal.curls, goal.weight, frames)
        # A straight way would lead through the chest or the desk: bulge out in the middle of it.
        bulge = 4 * goal.weight * (1 - goal.weight)
        arc = Stage.turned(stage.chest(frames), goal.arc, side)
        tracks[side].wrist[frames] += bulge[:, None] * arc
        pose_arm(stage.bones, hands[side], frames, tracks[side].at(frames))


def _order(goals: dict[int, Goal]) -> list[int]:
    """Sort sides: goals in the air before goals on the skin, which may be the other arm's."""
    return sorted(goals, key=lambda side: (isinstance(goals[side].place, Skin), -side))


def matrices(bones: Bones) -> NDArray[np.float32]:
    """Return (T, B + 1, 3, 4) maps of all bones, the last one static."""
    # Desk and things on it belong to a bone that never moves: one kernel poses the whole scene.
    posed = np.concatenate([bones.turn, bones.shift[..., None]], -1)
    static = np.broadcast_to(np.eye(3, 4), (len(posed), 1, 3, 4))
    return np.concatenate([posed, static], 1).astype(np.float32)
