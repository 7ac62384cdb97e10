"""Add legs, which only whole persons need: their mesh, their bones' pose, places on their skin.

The mesh of `assets` ends at the thighs, because a desk hides what is below; this module reads that.
Legend: T frames, n frames of a slice, V vertices, F triangles.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.synthetic.assets import ASSETS, mean_of_parents, read_body, read_rig
from benchmark.synthetic.geometry import Array, unit
from benchmark.synthetic.skeleton import Bones, LimbTarget, chain_global, solve_limb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.synthetic.gestures.motion import Leg

_CHAIN = ("upperleg01", "upperleg02", "lowerleg01", "lowerleg02", "foot")
_NEXT = {"upperleg01": "lowerleg01", "lowerleg01": "foot"}
_OVERLAP = 0.10
"""Meters above the pelvis to which trousers go up under the shirt."""
_CLOTH = 0.012
"""Meters of cloth on the skin."""
_ANKLE = -0.89
"""Height in the mean body where a shoe hides the skin."""


class LegMesh(NamedTuple):
    """Both legs and the hips, from waist to ankles; V and F are those of this mesh."""

    faces: NDArray[np.int32]
    bone_idx: NDArray[np.int32]
    bone_w: NDArray[np.float32]
    mean: NDArray[np.float32]
    """(V, 3) mean body."""
    rest: NDArray[np.float16]
    """(64, V, 3) rest bodies as published."""


@lru_cache(maxsize=1)
def read_legs() -> LegMesh:
    """Read the part of the published mesh that `assets.read_rig` leaves out, without the feet."""
    with np.load(ASSETS / "anny_export.npz", allow_pickle=False) as npz:
        data = {key: npz[key] for key in ("faces", "rest_vertices", "bone_idx", "bone_w")}
    mean = data["rest_vertices"].astype(np.float32).mean(0)
    main = data["bone_idx"][np.arange(len(mean)), data["bone_w"].argmax(1)]
    names = np.array(read_rig().bones)[main]
    leg = np.char.startswith(names, "upperleg") | np.char.startswith(names, "lowerleg")
    hip = np.isin(names, ["pelvis.L", "pelvis.R", "spine05", "spine04"])
    ankle = (names == "foot.L") | (names == "foot.R")
    # Hips overlap the upper body's mesh under the shirt, or a gap would open where the trunk leans.
    of_legs = leg | (hip & (mean[:, 2] < _OVERLAP)) | (ankle & (mean[:, 2] > _ANKLE))
    faces = data["faces"].astype(np.int64)
    faces = faces[of_legs[faces].all(1)]
    keep = np.unique(faces)
    weights = data["bone_w"][keep].astype(np.float32)
    return LegMesh(
        np.searchsorted(keep, faces).astype(np.int32), data["bone_idx"][keep].astype(np.int32),
        weights / weights.sum(1, keepdims=True), mean[keep], data["rest_vertices"][:, keep],
    )  # fmt: skip


class Seat(NamedTuple):
    """Seat of a person of one build, meters from the pelvis."""

    top: float
    """z of the seat."""
    floor: float
    """z of the floor when the thighs are level."""
    knee: float
    """Distance of the knee in front of the hip."""
    ankle: float
    """Height of the ankle above the floor."""


@lru_cache(maxsize=128)
def seat(identity: int) -> Seat:
    """Measure the seat that suits one body."""
    rig, body = read_rig(), read_body(identity)
    hip, knee, foot = (body.heads[rig.bone(f"{n}.L")] for n in (_CHAIN[0], _CHAIN[2], _CHAIN[4]))
    ankle = 0.078 * body.scale
    shank = float(np.linalg.norm(foot - knee))
    below = leg_radius(identity, "upperleg01", 0.45, (0.0, 1.0, 0.0))
    return Seat(
        top=float(hip[2]) - below - 0.012,
        floor=float(hip[2]) - 0.97 * shank - ankle,
        knee=float(np.linalg.norm(knee - hip)),
        ankle=ankle,
    )


def pose_leg(bones: Bones, side: int, frames: slice, target: LimbTarget) -> None:
    """Bend one leg so that its ankle comes to the target.

    Args:
        bones: Posed trunk; the leg's bones are written.
        side: +1 left, -1 right.
        frames: Frames to pose.
        target: Place of the ankle, rotation of the foot (level at rest), direction of the knee.
    """
    rig, heads = read_rig(), bones.body.heads
    mark = "L" if side > 0 else "R"
    index = {name: rig.bone(f"{name}.{mark}") for name in _CHAIN}
    joints = (heads[index["upperleg01"]], heads[index["lowerleg01"]], heads[index["foot"]])
    hip = bones.head(index["upperleg01"])[frames]
    thigh, shank = solve_limb(hip, target, joints)
    chain_global(bones, index["upperleg01"], thigh, frames)
    bones.chain(index["upperleg02"], None, frames)
    chain_global(bones, index["lowerleg01"], shank, frames)
    bones.chain(index["lowerleg02"], None, frames)
    chain_global(bones, index["foot"], target.turn, frames)
    for bone, name in enumerate(rig.bones):
        if name.startswith("toe") and name.endswith(mark):
            bones.chain(bone, None, frames)


def leg_point(bones: Bones, place: Leg, side: int, frames: slice) -> Array:
    """Compute (n, 3) where a place on a leg is.

    Args:
        bones: Posed legs.
        place: The place, on the side of the hand or across.
        side: Side of the hand: +1 left, -1 right.
        frames: Frames.
    """
    leg = -side if place.across else side
    mark = "L" if leg > 0 else "R"
    heads, rig = bones.body.heads, read_rig()
    bone, end = rig.bone(f"{place.bone}.{mark}"), rig.bone(f"{_NEXT[place.bone]}.{mark}")
    out = unit(np.array(place.out) * [leg, 1, 1])
    radius = leg_radius(bones.body.identity, place.bone, place.along, place.out)
    rest = heads[bone] + place.along * (heads[end] - heads[bone]) + radius * out
    return bones.turn[frames, bone] @ rest + bones.shift[frames, bone]


@lru_cache(maxsize=512)
def leg_radius(identity: int, bone: str, along: float, out: tuple[float, float, float]) -> float:
    """Measure meters from the left leg's bone to its cloth.

    Args:
        identity: The body.
        bone: Bone without its side.
        along: Share of the way to the next joint.
        out: Direction from the bone.
    """
    rig, legs, body = read_rig(), read_legs(), read_body(identity)
    heads = body.heads
    start, end = heads[rig.bone(f"{bone}.L")], heads[rig.bone(f"{_NEXT[bone]}.L")]
    skin = mean_of_parents(legs.rest, identity) * body.scale
    skin = skin[skin[:, 0] > 0.01]  # the left leg alone
    axis = end - start
    share = (skin - start) @ axis / (axis @ axis)
    near = skin[np.abs(share - along) < 0.12] - (start + along * axis)
    sideways = unit(np.cross(axis, out))
    near = near[np.abs(near @ sideways) < 0.05]
    # Not the maximum: one vertex that sticks out would hold the hand off the leg.
    return float(np.quantile(near @ unit(np.array(out)), 0.9)) + _CLOTH
