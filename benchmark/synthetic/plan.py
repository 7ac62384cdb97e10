"""Plan who is in which video, and does what when."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.synthetic.gestures.gesture import Gesture
from benchmark.synthetic.spec import NUM_BODIES, Split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark.synthetic.spec import GesturesSpec

SPLITS: tuple[Split, ...] = ("train", "val", "test")
FLOOR: dict[Split, int] = {"train": 4, "val": 1, "test": 1}
"""Clips that every class gets where the split is large enough."""

IMIGUE_COUNTS = (
    10, 418, 39, 207, 80, 23, 64, 858, 87, 3, 302, 154, 97, 41, 28, 27, 322, 83, 2, 942, 170, 373,
    657, 700, 11, 287, 87, 60, 1237, 6, 2272, 4023,
)  # fmt: skip
"""Train + val clips of each class in iMiGUE (MiGA 2025)."""

_FIRST_VIDEO: dict[Split, int] = {"val": 1, "train": 101, "test": 1001}
_BARE_HEADED = (Gesture.TOUCH_HAIR, Gesture.TOUCH_HEAD, Gesture.TOUCH_FOREHEAD)
_SECONDS = {
    Gesture.PRESS_LIPS: 0.95, Gesture.SHAKE_SHOULDERS: 0.95, Gesture.ILLUSTRATE: 1.2,
    Gesture.FOLD_ARMS: 1.45, Gesture.ARMS_BEHIND: 1.45, Gesture.SIT_STRAIGHT: 1.3,
    Gesture.MOVE_TORSO: 1.25, Gesture.HOLD_BACK_ARM: 1.45, Gesture.ARMS_AKIMBO: 1.45,
    Gesture.DEEP_BREATH: 1.25, Gesture.TURTLE_NECK: 1.05, Gesture.HEAD_UP: 1.1,
}  # fmt: skip
_USUAL_SECONDS = 1.3


class Performance(NamedTuple):
    """One labeled clip of a video: frames start..end, both included."""

    gesture: Gesture
    start: int
    end: int


@dataclass(frozen=True)
class Video:
    """One person in one place: one file."""

    name: str
    """Four digits."""
    split: Split
    identity: int
    """A body of the assets, or the mean of two: see `assets.parents`."""
    cap: bool
    performances: tuple[Performance, ...]
    num_frames: int
    cuts: tuple[int, ...] = ()
    """Frames, between performances, from which on another camera films."""

    @property
    def number(self) -> int:
        """The name as a number: the id of this video's random generators."""
        return int(self.name)


def generator(seed: int, purpose: str, number: int) -> np.random.Generator:
    """Seed one random generator per (seed, purpose, number).

    Every purpose draws from its own stream, so no value depends on the order in which workers film.
    """
    # A purpose's text is part of the seed: another spelling generates another data set.
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), number])


def class_counts(
    num_clips: int, floor: int, shares: tuple[int, ...] = IMIGUE_COUNTS
) -> tuple[int, ...]:
    """Divide `num_clips` among the classes in proportion to `shares`, at least `floor` to each.

    Where floors alone would take more than half of the split, the floor is lowered.
    """
    classes = len(shares)
    floor = min(floor, num_clips // (2 * classes))
    share = np.array(shares) / sum(shares)
    wanted = np.maximum(share * num_clips, floor)
    # Raising small classes to the floor takes clips from the others, which may push the next one
    # below it: repeat until nothing moves, which takes far fewer rounds than this.
    for _ in range(60):
        free = wanted > floor
        wanted[free] *= (num_clips - floor * (~free).sum()) / wanted[free].sum()
        wanted = np.maximum(wanted, floor)
    # Round to whole clips by largest remainder; 1e-9 undoes 2.9999999 where 3 is meant, and the
    # stable sort breaks ties by class, alike on every machine.
    counts = np.floor(wanted + 1e-9).astype(int)
    order = np.argsort(-(wanted - counts), kind="stable")
    counts[order[: num_clips - counts.sum()]] += 1
    return tuple(int(c) for c in counts)


def plan(spec: GesturesSpec) -> tuple[Video, ...]:
    """Plan all videos of a data set, in the order of their names."""
    people = choose_people(spec.seed, spec.bodies(), spec.people())
    videos = [
        video
        for split in SPLITS
        for video in _plan_split(spec, split, people[split], spec.clips()[split])
    ]
    return tuple(sorted(videos, key=lambda video: video.name))


def choose_people(
    seed: int, bodies: Mapping[Split, int], people: Mapping[Split, int]
) -> dict[Split, list[int]]:
    """Choose the people of each split: first its bodies themselves, then means of two of them.

    Args:
        seed: Of the data set; it orders the people of a split, and chooses the means.
        bodies: Bodies per split, as `spec.BODIES` has them or dividing those of train.
        people: People per split.
    """
    # Which body is in which split does not depend on a data set's seed: what was trained on one
    # data set has met no body of another one's validation and test.
    order = np.random.default_rng([0, zlib.crc32(b"identities"), 0]).permutation(NUM_BODIES)
    starts = dict(zip(SPLITS, np.cumsum([0, *(bodies[s] for s in SPLITS)]).tolist(), strict=False))
    chosen = {}
    for split in SPLITS:
        own = order[starts[split] : starts[split] + bodies[split]].tolist()
        rng = generator(seed, f"people {split}", 0)
        pairs = [NUM_BODIES * (1 + a) + b for a, b in combinations(sorted(own), 2)]
        everyone = [*rng.permutation(own).tolist(), *rng.permutation(pairs).tolist()]
        chosen[split] = everyone[: people[split]]
    return chosen


def _plan_split(spec: GesturesSpec, split: Split, identities: list[int], clips: int) -> list[Video]:
    rng = generator(spec.seed, f"plan {split}", 0)
    people = len(identities)
    caps = rng.permutation(people) < max(1, round(people * 0.2))
    shares = _deal(rng, class_counts(clips, FLOOR[split]), caps)
    videos = []
    for k, identity in enumerate(identities):
        name = f"{_FIRST_VIDEO[split] + k:04d}"
        performances, num_frames = _timeline(rng, shares[k], spec.fps)
        cuts = _cuts(rng, performances)
        videos.append(Video(name, split, identity, bool(caps[k]), performances, num_frames, cuts))
    return videos


def _cuts(rng: np.random.Generator, performances: tuple[Performance, ...]) -> tuple[int, ...]:
    """Cut to another camera in some gaps of some videos; clips of iMiGUE begin after a cut too."""
    wanted = int(rng.choice(4, p=[0.5, 0.2, 0.2, 0.1]))
    gaps = [(a.end + b.start) // 2 for a, b in pairwise(performances)]
    return tuple(sorted(rng.permutation(gaps)[:wanted].tolist()))


def _deal(
    rng: np.random.Generator, counts: tuple[int, ...], caps: np.ndarray
) -> list[list[Gesture]]:
    """Deal the gestures to people: hats to those who wear one, hair to those who do not."""
    people = len(caps)
    hands: list[list[Gesture]] = [[] for _ in range(people)]
    remaining: list[Gesture] = []
    for gesture, count in zip(Gesture, counts, strict=True):
        if gesture is Gesture.TOUCH_HAT:
            wearers = rng.permutation(np.flatnonzero(caps))
        elif gesture in _BARE_HEADED and not caps.all():
            wearers = rng.permutation(np.flatnonzero(~caps))
        else:
            remaining += [gesture] * count
            continue
        for k in range(count):
            hands[wearers[k % len(wearers)]].append(gesture)
    # As in real interviews, some videos are longer. Each further gesture goes to the person who is
    # farthest below their quota, but first to those who have none: every video holds a clip.
    weights = rng.uniform(0.6, 1.4, people)
    quota = weights / weights.sum() * sum(counts)
    for k in rng.permutation(len(remaining)):
        room = quota - np.array([len(hand) for hand in hands])
        empty = [i for i, hand in enumerate(hands) if not hand]
        hands[empty[0] if empty else int(room.argmax())].append(remaining[k])
    return [[hand[i] for i in rng.permutation(len(hand))] for hand in hands]


def _timeline(
    rng: np.random.Generator, gestures: list[Gesture], fps: int
) -> tuple[tuple[Performance, ...], int]:
    """Arrange performances with short gaps; return them and the number of frames."""
    pace = rng.uniform(0.88, 1.15)
    at = int(rng.integers(6, 13))
    performances = []
    for gesture in gestures:
        # Hasty and slow ones, as in iMiGUE, whose clips take from a fifth of a second to a minute.
        tempo = float(np.clip(rng.lognormal(0, 0.3), 0.55, 2.2))
        seconds = _SECONDS.get(gesture, _USUAL_SECONDS) * pace * tempo
        length = max(8, round(seconds * fps))
        performances.append(Performance(gesture, at, at + length - 1))
        at += length + int(rng.integers(4, 11))
    return tuple(performances), at + int(rng.integers(2, 6))
