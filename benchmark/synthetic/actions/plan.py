"""Plan who does which action in which clip.

Only bodies of the gestures' train split act: pre-training must not show people of its test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.synthetic.actions.action import Action
from benchmark.synthetic.plan import FLOOR, SPLITS, choose_people, class_counts, generator

if TYPE_CHECKING:
    import numpy as np

    from benchmark.synthetic.spec import ActionsSpec, Split

_USUAL_SHARE = 3
_SHARES = {
    Action.SHAKING_BODY: 10, Action.TURNING_AROUND: 2, Action.RISING_UP: 1,
    Action.BOWING_HEAD: 12, Action.HEAD_UP: 8, Action.TILTING_HEAD: 6, Action.TURNING_HEAD: 14,
    Action.NODDING: 20, Action.SHAKING_HEAD: 10, Action.RUBBING_HANDS: 6, Action.WAVING: 1,
    Action.POINTING_ONESELF: 2, Action.OTHER_FINGER_MOVEMENTS: 8, Action.SHAKING_LEGS: 8,
    Action.ILLUSTRATIVE_GESTURES: 16, Action.SCRATCHING_OR_TOUCHING_BACK: 1,
    Action.ARMS_AKIMBO: 1, Action.COVERING_FACE: 1, Action.PATTING_LEGS: 2,
    Action.SCRATCHING_FEET: 1, Action.SCRATCHING_OR_TOUCHING_HINDBRAIN: 2,
}  # fmt: skip
"""How common an action is: a long tail of our own, not the published counts."""
_USUAL_SECONDS = 1.45
_SECONDS = {
    Action.CROSSING_LEGS: 1.8, Action.RISING_UP: 1.9, Action.SCRATCHING_FEET: 2.0,
    Action.TURNING_AROUND: 1.7, Action.STRETCHING_ARMS: 1.7, Action.CURLING_LEGS: 1.7,
    Action.SHRUGGING: 1.0, Action.NODDING: 1.3, Action.SCRATCHING_LEGS: 1.7,
}  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """One person, one action, one file."""

    split: Split
    number: int
    """Place in its split; with the split the id of this clip's random generators."""
    identity: int
    action: Action
    start: int
    """Frame in which the action begins."""
    length: int
    """Frames of the action."""
    num_frames: int

    @property
    def name(self) -> str:
        """The file's name, as the published archive counts."""
        return f"{self.split}{self.number:04d}.mp4"


def plan(spec: ActionsSpec) -> tuple[Clip, ...]:
    """Plan all clips of the archive, split by split, in the order of their names."""
    who, sizes = choose_people(spec.seed, spec.bodies(), spec.people()), spec.clips()
    return tuple(clip for s in SPLITS for clip in _plan_split(spec, s, who[s], sizes[s]))


def _plan_split(
    spec: ActionsSpec, split: Split, identities: list[int], num_clips: int
) -> list[Clip]:
    """Plan one split; each class goes round the people, so that no person tells the class.

    Args:
        spec: The data set.
        split: The split.
        identities: Its people.
        num_clips: Its clips.
    """
    rng = generator(spec.seed, f"actions plan {split}", 0)
    shares = tuple(_SHARES.get(action, _USUAL_SHARE) for action in Action)
    counts = class_counts(num_clips, FLOOR[split], shares)
    actions = [action for action, count in zip(Action, counts, strict=True) for _ in range(count)]
    # Deal class by class, from a random person on: no person gets all clips of a rare class.
    first = int(rng.integers(len(identities)))
    clips = []
    for number, k in enumerate(rng.permutation(num_clips)):
        identity = identities[(first + int(k)) % len(identities)]
        start, length, num_frames = _timing(rng, actions[k], spec.fps)
        clips.append(Clip(split, number, identity, actions[k], start, length, num_frames))
    return clips


def _timing(rng: np.random.Generator, action: Action, fps: int) -> tuple[int, int, int]:
    """Choose start, length and number of frames, with a little time before and after the action."""
    seconds = _SECONDS.get(action, _USUAL_SECONDS) * rng.uniform(0.82, 1.25)
    length = max(8, round(seconds * fps))
    before, after = (int(rng.uniform(0.07, 0.25) * fps) for _ in range(2))
    return before, length, before + length + after
