"""Project OpenPose's 137 points of each frame, then simulate what a detector makes of them.

Order: body 25, face 70, left hand 21, right hand 21; left and right are the person's.
Legend: T frames, K = 137 points.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.synthetic.assets import Body, read_hand, read_rig
from benchmark.synthetic.geometry import Array, smooth_noise
from benchmark.synthetic.scene import project

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.synthetic.skeleton import Bones

NUM_POINTS = 137
BODY, FACE, LEFT_HAND, RIGHT_HAND = slice(0, 25), slice(25, 95), slice(95, 116), slice(116, 137)
_HIPS = (9, 12)
_LEGS = (10, 11, 13, 14, 19, 20, 21, 22, 23, 24)

_JOINT_DEPTH, _FACE_DEPTH, _HAND_DEPTH = 0.11, 0.025, 0.024
"""Meters that a visible point may lie under the seen surface: joints lie deep inside the body."""


class Points(NamedTuple):
    """Bone or vertex of each point, -1 where it is none."""

    bone: NDArray[np.int64]
    vertex: NDArray[np.int64]
    hidden_by: NDArray[np.float64]
    """(K,) meters that the surface may be in front of a visible point."""


def find_points(body: Body) -> Points:
    """Assign bones and vertices of one body to the points."""
    rig = read_rig()
    bone, vertex = np.full(NUM_POINTS, -1), np.full(NUM_POINTS, -1)
    for first, mark in ((2, "R"), (5, "L")):
        for k, name in enumerate(("upperarm01", "lowerarm01", "wrist")):
            bone[first + k] = rig.bone(f"{name}.{mark}")
    bone[9], bone[12] = rig.bone("upperleg01.R"), rig.bone("upperleg01.L")
    vertex[0] = rig.face70[30]
    vertex[15], vertex[16] = rig.face70[68], rig.face70[69]
    vertex[17], vertex[18] = rig.ears[1], rig.ears[0]
    vertex[FACE] = rig.face70
    for part, side in ((LEFT_HAND, 1), (RIGHT_HAND, -1)):
        hand = read_hand(body, side)
        bone[part.start] = hand.wrist
        for finger in range(5):
            at = part.start + 1 + 4 * finger
            bone[at : at + 3] = hand.fingers[finger]
            vertex[at + 3] = hand.tips[finger]
    # Too strict, and a shoulder under its own muscle counts as hidden; too loose, and a face behind
    # a hand counts as seen. Points on the skin need little, joints need the limb's radius.
    depth = np.full(NUM_POINTS, _JOINT_DEPTH)
    depth[[0, 15, 16, 17, 18]] = 0.03
    depth[FACE] = _FACE_DEPTH
    depth[LEFT_HAND] = depth[RIGHT_HAND] = _HAND_DEPTH
    depth[[LEFT_HAND.start, RIGHT_HAND.start]] = 0.05
    return Points(bone, vertex, depth)


def joint_places(bones: Bones, points: Points) -> Array:
    """Compute (T, K, 3) world places of the points that are bones, NaN elsewhere."""
    places = np.full((len(bones.turn), NUM_POINTS, 3), np.nan)
    for k in np.flatnonzero(points.bone >= 0):
        places[:, k] = bones.head(int(points.bone[k]))
    # OpenPose has a neck and a mid-hip that no bone marks: means of shoulders and of hips.
    places[:, 1] = (places[:, 2] + places[:, 5]) / 2 + [0, 0, 0.015]
    places[:, 8] = (places[:, 9] + places[:, 12]) / 2
    return places


def exact_points(points: Points, places: Array, skin: NDArray, camera: NDArray) -> Array:
    """Compute (K, 3) px, px, meters of one frame; legs, which the mesh lacks, are NaN.

    Args:
        points: From `find_points`.
        places: (K, 3) of this frame, from `joint_places`.
        skin: (V, 3) projected vertices of this frame.
        camera: (15,) row of this frame.
    """
    exact = project(camera, places)
    on_skin = points.vertex >= 0
    exact[on_skin] = skin[points.vertex[on_skin]]
    return exact


def hidden_points(points: Points, exact: Array, depth: NDArray) -> NDArray[np.bool_]:
    """Mark (K,) points in whose place something else is seen, or that are out of the frame."""
    height, width = depth.shape
    # NaN would turn into an arbitrary pixel; -1 is out of the frame.
    placed = np.nan_to_num(exact, nan=-1.0)
    x, y = np.floor(placed[:, 0]).astype(int), np.floor(placed[:, 1]).astype(int)
    outside = (x < 0) | (y < 0) | (x >= width) | (y >= height)
    seen = depth[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    return outside | (placed[:, 2] - seen > points.hidden_by)


def detect(
    exact: Array, hidden: NDArray[np.bool_], size: tuple[int, int], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Simulate (T, 137, 3) x, y and confidence of a detector; 0, 0, 0 where it finds nothing.

    A real detector is less certain, and errs more, where a point is covered or moves fast. Networks
    that learn from clean points fail on real ones, so these carry the same faults.

    Args:
        exact: (T, K, 3) exact points.
        hidden: (T, K) from `hidden_points`.
        size: Width and height of the frame in px.
        rng: Random generator of this video's detector.
    """
    num_frames = len(exact)
    px = size[1] / 180  # errors are given for a frame of 180 lines
    place = np.nan_to_num(exact[..., :2], nan=-1.0)
    speed = (
        np.linalg.norm(np.gradient(place, axis=0), axis=2) / px
        if num_frames > 1
        else np.zeros(hidden.shape)
    )
    shown = place + px * _jitter(rng, num_frames, hidden, speed)
    confidence = _confidence(rng, hidden, speed)
    lost = _lost(rng, hidden, speed)
    # As OpenPose does: it drops points of low confidence and reports none outside of the frame.
    lost |= np.isnan(exact[..., 0]) | (confidence < 0.05)
    lost |= (shown < 0).any(2) | (shown[..., 0] >= size[0]) | (shown[..., 1] >= size[1])
    out = np.concatenate([shown, confidence[..., None]], 2)
    out[lost] = 0
    # The archive stores three decimals: rounded here, the points read back are these very points.
    return np.round(out, 3).astype(np.float64)


def _jitter(
    rng: np.random.Generator, num_frames: int, hidden: NDArray[np.bool_], speed: Array
) -> Array:
    """Sample (T, K, 2) px of error in a frame of 180 lines.

    It is correlated in time, shared within the face, and larger where a point is hidden or fast.

    Args:
        rng: Random generator.
        num_frames: T.
        hidden: (T, K) from `hidden_points`.
        speed: (T, K) px per frame at 180 lines.
    """
    fast = rng.standard_normal((num_frames, NUM_POINTS, 2)) * 0.6
    slow = smooth_noise(rng, num_frames, 4, 2 * NUM_POINTS).reshape(num_frames, NUM_POINTS, 2)
    sigma = np.full(NUM_POINTS, 0.7)
    sigma[FACE], sigma[LEFT_HAND], sigma[RIGHT_HAND] = 0.34, 0.7, 0.7
    jitter = sigma[:, None] * (0.55 * fast + 0.8 * slow)
    # Detectors fit the face as a whole: most of its error moves all of its points together.
    jitter[:, FACE] += 0.25 * smooth_noise(rng, num_frames, 3, 2)[:, None]
    grown = 1 + 2.2 * hidden + 0.12 * np.minimum(speed, 8)
    return jitter * grown[..., None]


def _confidence(rng: np.random.Generator, hidden: NDArray[np.bool_], speed: Array) -> Array:
    num_frames = len(hidden)
    level = np.full(NUM_POINTS, 0.84)
    level[FACE], level[LEFT_HAND], level[RIGHT_HAND] = 0.80, 0.66, 0.66
    level = level + rng.normal(0, 0.04, NUM_POINTS)
    wander = smooth_noise(rng, num_frames, 6, NUM_POINTS) * 0.05
    blurred = np.zeros(NUM_POINTS)
    blurred[LEFT_HAND] = blurred[RIGHT_HAND] = 0.035
    blurred[BODY] = 0.012
    confidence = level + wander - blurred * np.minimum(speed, 10)
    # A covered point is guessed from its neighbors: reported, but with a share of the confidence.
    covered = rng.uniform(0.25, 0.55, NUM_POINTS)
    confidence = np.where(hidden, confidence * covered, confidence)
    return np.clip(confidence, 0.0, 0.99)


def _lost(rng: np.random.Generator, hidden: NDArray[np.bool_], speed: Array) -> NDArray[np.bool_]:
    """Mark (T, K) where the detector finds nothing."""
    num_frames = len(hidden)
    lost = np.zeros(hidden.shape, bool)
    luck = smooth_noise(rng, num_frames, 7, NUM_POINTS)
    lost |= hidden & (luck < -0.6)
    # A hand is found or lost as a whole, by how much of it is covered and how fast it is; so is the
    # face. Slow noise against a threshold makes losses last some frames, as tracking does. Real
    # OpenPose misses a moving hand in about 4 of 10 frames (docs/real-people.md), and so do these.
    for hand in (LEFT_HAND, RIGHT_HAND):
        share = hidden[:, hand].mean(1)
        fast = np.minimum(speed[:, hand].mean(1), 12)
        whole = smooth_noise(rng, num_frames, 5, 1)[:, 0]
        gone = whole < -0.9 + 2.6 * np.clip(share - 0.35, 0, 1) + 0.06 * fast
        lost[:, hand] |= gone[:, None]
    face = hidden[:, FACE].mean(1)
    gone = smooth_noise(rng, num_frames, 8, 1)[:, 0] < -3.2 + 3.0 * np.clip(face - 0.5, 0, 1)
    lost[:, FACE] |= gone[:, None]
    # Behind the desk hips are rarely guessed, and then for seconds.
    guessed = smooth_noise(rng, num_frames, 40, 1)[:, 0] > 1.1
    for hip in (*_HIPS, 8):
        lost[:, hip] |= hidden[:, hip] & ~guessed
    lost[:, list(_LEGS)] = True
    return lost
