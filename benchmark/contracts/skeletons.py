"""Layouts: which keypoints of a raw skeleton are kept, how limbs join them, what a mirror swaps."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import Field, model_validator

from benchmark.core.errors import ParamsError
from benchmark.core.files import write_text
from benchmark.core.schema import Strict, read_json

FILE = "layout.json"

LayoutName: TypeAlias = Literal["openpose36", "own"]


class Layout(Strict):
    """A subset of raw keypoints. The local index of a point is its position in `points`."""

    name: str
    points: tuple[int, ...] = Field(min_length=1)
    """Number of each kept point in the raw skeleton."""
    edges: tuple[tuple[int, int], ...]
    """Limbs as pairs of local indices."""
    swap: tuple[int, ...]
    """Local index of the point whose place each point takes in a left-right mirror."""
    names: tuple[str, ...]
    """Name of each kept point."""

    @model_validator(mode="after")
    def _fits(self) -> Layout:
        count = len(self.points)
        if len(self.names) != count:
            raise ValueError(f"{len(self.names)} names for {count} points")
        if any(not 0 <= end < count for edge in self.edges for end in edge):
            raise ValueError(f"an edge ends outside the {count} points")
        if sorted(self.swap) != list(range(count)) or any(
            self.swap[partner] != point for point, partner in enumerate(self.swap)
        ):
            raise ValueError("swap must pair the points: its own inverse")
        return self


def choose(name: LayoutName, own: Layout | None) -> Layout:
    """Return the layout called `name`; "own" is the layout that the archive itself describes.

    Raises:
        ParamsError: An archive of OpenPose points has no layout of its own, or the reverse.
    """
    expected = "openpose36" if own is None else "own"
    if name != expected:
        wrong = "not a layout of this archive"
        raise ParamsError("modality: layout", wrong, expected=expected, found=name)
    return own or OPENPOSE36


def write_layout(points: Layout, folder: Path) -> None:
    """Write the layout beside the keypoints that have it."""
    write_text(folder / FILE, points.model_dump_json(indent=1) + "\n")


def read_layout(folder: Path) -> Layout:
    """Read the layout of the prepared keypoints in `folder`.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    return read_json(folder / FILE, Layout, what="a layout", do="Run 'dvc repro prepare'")


def _swap(count: int, pairs: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    order = list(range(count))
    for left, right in pairs:
        order[left], order[right] = right, left
    return tuple(order)


_POINTS = (
    (0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 18)  # nose, neck, arms, eyes, ears of BODY_25
    + (27, 29, 33, 37, 39, 44, 49, 52, 73, 76, 79, 82)  # jaw, brows, nose bridge, lips
    + (95, 99, 103, 107, 111, 115)  # left hand root and finger tips
    + (116, 120, 124, 128, 132, 136)  # right hand root and finger tips
)
_TIPS = ("root", "thumb tip", "index tip", "middle tip", "ring tip", "little tip")
_NAMES = (
    "nose", "neck", "right shoulder", "right elbow", "right wrist",
    "left shoulder", "left elbow", "left wrist", "right eye", "left eye", "right ear", "left ear",
    "right jaw, upper", "right jaw, lower", "chin", "left jaw, lower", "left jaw, upper",
    "right brow", "left brow", "nose bridge", "right mouth corner", "upper lip",
    "left mouth corner", "lower lip",
    *(f"left hand {tip}" for tip in _TIPS), *(f"right hand {tip}" for tip in _TIPS),
)  # fmt: skip
_FACE_AND_ARMS = (
    (0, 1), (0, 8), (8, 10), (0, 9), (9, 11), (19, 17), (19, 18), (17, 12), (12, 13),
    (13, 14), (18, 16), (16, 15), (15, 14), (20, 21), (21, 22), (22, 23), (23, 20),
    (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7),
)  # fmt: skip
_RIGHT_HAND = ((4, 30), *((30, tip) for tip in range(31, 36)))
_LEFT_HAND = ((7, 24), *((24, tip) for tip in range(25, 30)))
_MIRROR = (
    (17, 18), (8, 9), (10, 11), (12, 16), (13, 15), (20, 22), (2, 5), (3, 6), (4, 7),
    *zip(range(30, 36), range(24, 30), strict=True),
)  # fmt: skip

OPENPOSE36 = Layout(
    name="openpose36",
    points=_POINTS,
    edges=(*_FACE_AND_ARMS, *_RIGHT_HAND, *_LEFT_HAND, (0, 19)),
    swap=_swap(len(_POINTS), _MIRROR),
    names=_NAMES,
)
"""The 36 points and 36 limbs of MM-Gesture. Source: arXiv 2507.08344 and its repository."""

_KINECT = (
    "spine base", "spine middle", "neck", "head",
    "left shoulder", "left elbow", "left wrist", "left hand",
    "right shoulder", "right elbow", "right wrist", "right hand",
    "left hip", "left knee", "left ankle", "left foot",
    "right hip", "right knee", "right ankle", "right foot",
    "spine shoulder", "left hand tip", "left thumb", "right hand tip", "right thumb",
)  # fmt: skip
KINECT25 = Layout(
    name="kinect25",
    points=tuple(range(25)),
    edges=(
        (0, 1), (1, 20), (20, 2), (2, 3),
        (20, 4), (4, 5), (5, 6), (6, 7), (7, 21), (6, 22),
        (20, 8), (8, 9), (9, 10), (10, 11), (11, 23), (10, 24),
        (0, 12), (12, 13), (13, 14), (14, 15), (0, 16), (16, 17), (17, 18), (18, 19),
    ),
    swap=_swap(25, (*((k, k + 4) for k in (4, 5, 6, 7, 12, 13, 14, 15)), (21, 23), (22, 24))),
    names=_KINECT,
)  # fmt: skip
"""The 25 joints of Kinect v2, in the order of SMG's files. Source: SMGaccessSample.py of SMG."""
