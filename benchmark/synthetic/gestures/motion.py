"""Describe a performance of n frames: offsets of trunk and face, and goals for the hands.

Directions and places are given for the LEFT hand (x out to the left, y back, z up) and mirrored
for the right one. A goal says where a part of the hand comes to lie, and how the hand is turned.
Programs draw from `Take.rng`: the order of their calls is part of the seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache

import numpy as np

from benchmark.synthetic.assets import read_rig
from benchmark.synthetic.geometry import Array, smooth_noise, smoothstep
from benchmark.synthetic.skeleton import Control

FPS = 25.0
LEFT, RIGHT = 1, -1
Vector = tuple[float, float, float]


class Contact(Enum):
    """Part of the hand that touches the place."""

    WRIST = auto()
    PALM = auto()
    KNUCKLES = auto()
    INDEX = auto()
    TIPS = auto()
    PINCH = auto()


class Axes(Enum):
    """Axes in which directions are given."""

    CHEST = auto()
    HEAD = auto()


@dataclass(frozen=True)
class Skin:
    """A place on the person's own skin: a vertex."""

    vertex: int


@dataclass(frozen=True)
class Chest:
    """A place in front of the chest: arm lengths from the middle of the shoulders."""

    at: Vector


@dataclass(frozen=True)
class Desk:
    """A place above the desk: meters to the left of the middle, in front of the body, above."""

    at: Vector


@dataclass(frozen=True)
class Leg:
    """A place on the skin or cloth of a leg."""

    bone: str
    """Bone without its side, which is the hand's own."""
    along: float
    """Share of the way from this bone's head to the next joint."""
    out: Vector
    """Direction from the bone to the place when the leg hangs straight down."""
    across: bool = False
    """The other side's leg."""


Place = Skin | Chest | Desk | Leg


@dataclass(frozen=True)
class Step:
    """Way of one foot during a performance, from where it rests."""

    shift: Array
    """(n, 3) meters that the ankle moves: outward, to the front, up."""
    knee: Array
    """(n,) how much farther outward the knee points."""
    pitch: Array
    """(n,) radians that the toes turn down."""
    yaw: Array
    """(n,) radians that the toes turn outward."""


@dataclass(frozen=True)
class Goal:
    """Way of one hand during a performance."""

    place: Place
    contact: Contact
    pointing: Vector
    palm: Vector
    elbow: Vector
    weight: Array
    """(n,) 0 at rest, 1 at the goal."""
    curls: Array
    """(n, 6) thumb..little 0..1, then spread."""
    drift: Array
    """(n, 3) meters off the place."""
    wobble: Array
    """(n,) radians of roll about the hand's own length."""
    axes: Axes
    arc: Vector
    """Meters by which the way to the place bulges."""


@dataclass
class Motion:
    """A performance of n frames."""

    controls: Array
    """(n, len(Control)) added to the idle motion."""
    actions: Array
    """(n, A) face actions added."""
    mute: Array
    """(n,) 1 where the mouth does not talk."""
    goals: dict[int, Goal] = field(default_factory=dict)
    """Side -> goal; a goal on the other arm's skin is reached after that arm has moved."""
    pen: int = 0
    """Side of the hand that holds the pen, or 0."""
    feet: dict[int, Step] = field(default_factory=dict)
    """Side -> step; only whole persons have feet."""


@dataclass(frozen=True)
class Take:
    """One performance to be made up: its random generator, its length, its hand."""

    rng: np.random.Generator
    num_frames: int
    side: int
    """Hand that acts, if only one does."""
    vigor: float
    """About 1; scales amplitudes with the person's habit."""
    fps: float = FPS
    """Frames per second in which the performance is made up."""

    @property
    def seconds(self) -> Array:
        """(n,) time since the first frame."""
        return np.arange(self.num_frames) / self.fps

    def hold(self, attack: float = 0.4, release: float = 0.4) -> Array:
        """Compute (n,) 0 -> 1 -> 0, with about these seconds of rise and fall."""
        n = self.num_frames
        # At 42 % each, rise and fall leave a hold in between, however short the performance is.
        a = min(attack * self.rng.uniform(0.75, 1.3) * self.fps, 0.42 * n)
        r = min(release * self.rng.uniform(0.75, 1.3) * self.fps, 0.42 * n)
        t = np.arange(n) - self.rng.uniform(0.0, 1.5)
        return smoothstep(t / a) * smoothstep((n - 1 - np.arange(n)) / r)

    def wave(self, hertz: float) -> Array:
        """Compute a sine (n,) with a random phase and a slightly random frequency."""
        hertz *= self.rng.uniform(0.8, 1.25)
        return np.sin(2 * np.pi * hertz * self.seconds + self.rng.uniform(0, 2 * np.pi))

    def vary(self, value: float, share: float = 0.25) -> float:
        """Scale `value` by the person's vigor, give or take `share` of it."""
        return value * self.vigor * float(self.rng.uniform(1 - share, 1 + share))

    def chance(self, probability: float) -> bool:
        """Decide at random: True with that probability."""
        return bool(self.rng.random() < probability)

    def motion(self) -> Motion:
        """Return a motion that does nothing yet."""
        n = self.num_frames
        num_actions = len(read_rig().actions)
        return Motion(np.zeros((n, len(Control))), np.zeros((n, num_actions)), np.zeros(n))

    def goal(  # noqa: PLR0913 - a goal has that many free choices, all by keyword
        self,
        place: Place,
        contact: Contact,
        pointing: Vector,
        palm: Vector,
        *,
        weight: Array,
        elbow: Vector = (0.6, 0.0, -0.8),
        curl: float | Array = 0.12,
        thumb: float | Array | None = None,
        spread: float = 0.0,
        drift: Array | None = None,
        wobble: Array | None = None,
        axes: Axes = Axes.CHEST,
        arc: Vector = (0.03, -0.06, 0.0),
    ) -> Goal:
        """Make a goal with its directions jittered a little.

        Args:
            place: Place to touch.
            contact: Part of the hand that touches it.
            pointing: Direction of the fingers.
            palm: Direction that the palm faces.
            weight: (n,) 0 at rest, 1 at the goal.
            elbow: Direction of the elbow.
            curl: 0..1 of the four fingers, one value or (n,).
            thumb: 0..1 of the thumb; as `curl` if None.
            spread: 0..1 how far the fingers are apart.
            drift: (n, 3) meters off the place.
            wobble: (n,) radians of roll about the hand's length.
            axes: Axes of `pointing`, `palm` and `drift`.
            arc: Meters by which the way to the place bulges.
        """
        n = self.num_frames
        curls = self._curls(curl, curl if thumb is None else thumb, spread)
        jitter = self.rng.normal(0, 0.08, (3, 3))
        return Goal(
            place=place,
            contact=contact,
            pointing=_jittered(pointing, jitter[0]),
            palm=_jittered(palm, jitter[1]),
            elbow=_jittered(elbow, jitter[2] * 1.5),
            weight=weight,
            curls=curls,
            drift=np.zeros((n, 3)) if drift is None else drift,
            wobble=np.zeros(n) if wobble is None else wobble,
            axes=axes,
            arc=arc,
        )

    def _curls(self, curl: float | Array, thumb: float | Array, spread: float) -> Array:
        n = self.num_frames
        curls = np.zeros((n, 6))
        curls[:, 1:5] = np.broadcast_to(curl, n)[:, None]
        # Four fingers that bend exactly alike look like a mitten.
        curls[:, 1:5] += self.rng.normal(0, 0.04, 4) + 0.02 * smooth_noise(self.rng, n, 8, 4)
        curls[:, 0] = np.broadcast_to(thumb, n)
        curls[:, 5] = spread
        return curls


def _jittered(vector: Vector, jitter: Array) -> Vector:
    x, y, z = np.asarray(vector) + jitter
    return float(x), float(y), float(z)


def along(direction: Vector, amount: Array) -> Array:
    """Compute a drift (n, 3) along a direction by `amount` (n,) meters."""
    return np.asarray(amount)[:, None] * np.asarray(direction)[None]


def act(motion: Motion, name: str, amount: Array) -> None:
    """Add a face action; a name without Left/Right stands for both where the rig has both."""
    actions = read_rig().actions
    names = [name] if name in actions else [name + "Left", name + "Right"]
    for action in names:
        motion.actions[:, actions[action]] += amount


def move(motion: Motion, control: Control, amount: Array) -> None:
    """Add to a trunk control."""
    motion.controls[:, control] += amount


@lru_cache(maxsize=2)
def places(side: int) -> dict[str, Skin]:
    """Find named places on the skin; of two, the one on side `side` (+1 left)."""
    # Vertices of the mean body: every body has the same ones, at its own nose and ears.
    rig = read_rig()
    other_mark = "R" if side > 0 else "L"
    face = rig.face70
    heads = rig.heads.mean(0)

    def head(x: float, y: float, z: float) -> Skin:
        return Skin(rig.nearest((side * x, y, z), "head"))

    def near(bone: str, offset: Vector) -> Skin:  # on the arm of the other side
        index = rig.bone(f"{bone}.{other_mark}")
        x, y, z = heads[index] + np.array([-side * offset[0], offset[1], offset[2]])
        return Skin(rig.nearest((x, y, z), bone[:-2]))

    return {
        "chin": Skin(int(face[8])),
        "nose": Skin(int(face[30])),
        "bridge": Skin(int(face[27])),
        "lips": Skin(int(face[51])),
        "mouth corner": Skin(int(face[54 if side > 0 else 48])),
        "eye": head(0.032, -0.125, 0.702),
        "cheek": head(0.048, -0.105, 0.655),
        "jaw": head(0.045, -0.085, 0.612),
        "forehead": head(0.022, -0.125, 0.748),
        "temple": head(0.062, -0.085, 0.725),
        "crown": head(0.035, -0.05, 0.81),
        "scalp": head(0.075, -0.01, 0.765),
        "behind": head(0.05, 0.06, 0.74),
        "ear": Skin(rig.ears[0 if side > 0 else 1]),
        "neck": Skin(rig.nearest((side * 0.055, -0.005, 0.59))),
        "nape": Skin(rig.nearest((side * 0.025, 0.05, 0.585))),
        "throat": Skin(rig.nearest((side * 0.012, -0.055, 0.565))),
        "notch": Skin(rig.nearest((0.0, -0.08, 0.525))),
        "collar": Skin(rig.nearest((side * 0.035, -0.07, 0.53))),
        "breast": Skin(rig.nearest((side * 0.03, -0.13, 0.42))),
        "shoulder back": Skin(rig.nearest((side * 0.09, 0.08, 0.49))),
        "other shoulder": Skin(rig.nearest((-side * 0.16, -0.04, 0.53))),
        "other upper arm": near("upperarm02", (0.09, -0.04, -0.05)),
        "other forearm": near("lowerarm01", (0.05, -0.08, 0.02)),
        "other sleeve": near("lowerarm02", (0.04, -0.02, 0.05)),
    }
