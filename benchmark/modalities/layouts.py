"""Which keypoints of a raw skeleton are kept, how they are joined, what a mirror swaps."""

from __future__ import annotations

from typing import Literal, TypeAlias

from benchmark.schema import Strict

LayoutName: TypeAlias = Literal["openpose36"]


class Layout(Strict):
    """A subset of raw keypoints. Local index = position in `points`."""

    name: str
    points: tuple[int, ...]
    """Number of each kept point in the raw skeleton."""
    edges: tuple[tuple[int, int], ...]
    """Limbs as pairs of local indices."""
    swap: tuple[int, ...]
    """Local index that each point takes the place of in a left-right mirror."""


def layout(name: LayoutName) -> Layout:
    """The layout called `name`."""
    match name:
        case "openpose36":
            return OPENPOSE36


def _swap(count: int, pairs: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    order = list(range(count))
    for one, other in pairs:
        order[one], order[other] = other, one
    return tuple(order)


_POINTS = (
    (0, 1, 2, 3, 4, 5, 6, 7, 15, 16, 17, 18)  # nose, neck, arms, eyes, ears of BODY_25
    + (27, 29, 33, 37, 39, 44, 49, 52, 73, 76, 79, 82)  # jaw, brows, nose bridge, lips
    + (95, 99, 103, 107, 111, 115)  # left hand root and finger tips
    + (116, 120, 124, 128, 132, 136)  # right hand root and finger tips
)
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
)
"""The 36 points and 36 limbs of MM-Gesture. Source: arXiv 2507.08344 and its repository."""
