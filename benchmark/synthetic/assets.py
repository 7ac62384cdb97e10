"""Read the rigged bodies: one topology, 64 identities, cut down to what a desk leaves visible.

Axes: x to the person's left, -y to the front, z up; meters; the origin is the pelvis.
Legend: V vertices, F triangles, B bones, A face actions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.synthetic.geometry import unit
from benchmark.synthetic.spec import NUM_BODIES

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

ASSETS = Path(__file__).parent / "assets"
_SEATED_HEIGHT = 0.87  # pelvis to crown of a seated adult; the asset's bodies go from 0.59 to 1.04
_LOWER_BODY = ("upperleg", "lowerleg", "foot", "toe", "pelvis")


@dataclass(frozen=True)
class Rig:
    """What all identities share: triangles, bones, skinning weights, face actions."""

    faces: IntArray
    """(F, 3) triangles."""
    bones: tuple[str, ...]
    """B bone names; parents come before children."""
    parents: tuple[int, ...]
    bone_idx: IntArray
    """(V, 4) bones that move a vertex."""
    bone_w: FloatArray
    """(V, 4) their weights, rows sum to 1."""
    actions: dict[str, int]
    """Face action name -> index."""
    action_start: IntArray
    """(A + 1,) where the sparse offsets of each action begin."""
    action_vertex: IntArray
    action_offset: FloatArray
    """(n, 3) meters at weight 1."""
    face70: IntArray
    """(70,) vertex of each OpenPose face point."""
    mean: FloatArray
    """(V, 3) mean body, only to find places on the skin."""
    rest: NDArray[np.float16]
    """(64, V, 3) rest bodies as published."""
    heads: FloatArray
    """(64, B, 3) bone heads as published."""
    ears: tuple[int, int]
    """Vertices of the left and the right ear."""
    eyeball: NDArray[np.bool_]
    """(V,) vertices of the two eyeballs."""

    def bone(self, name: str) -> int:
        """Look up the index of a bone."""
        return self.bones.index(name)

    @property
    def main_bone(self) -> IntArray:
        """(V,) the bone with the largest weight."""
        return self.bone_idx[np.arange(len(self.bone_idx)), self.bone_w.argmax(1)]

    def nearest(self, point: tuple[float, float, float], bones: str = "") -> int:
        """Find the vertex of the mean body nearest to a point, among bones whose names begin so."""
        led = np.array([n.startswith(bones) for n in self.bones])[self.main_bone]
        distance = np.linalg.norm(self.mean - np.asarray(point, np.float32), axis=1)
        return int(np.where(led, distance, np.inf).argmin())


@dataclass(frozen=True)
class Body:
    """One identity at its seated size."""

    identity: int
    rest: FloatArray
    """(V, 3) meters."""
    heads: FloatArray
    """(B, 3) meters."""
    scale: float
    """Factor that was applied to the published body; its legs take it too."""


@lru_cache(maxsize=1)
def read_rig() -> Rig:
    """Read the shared rig from the package's own assets."""
    with np.load(ASSETS / "anny_export.npz", allow_pickle=False) as npz:
        data = {key: npz[key] for key in npz.files}
    bones = tuple(str(b) for b in data["bone_labels"])
    keep, faces = _upper_body(data, bones)
    old_to_new = np.full(len(data["bone_w"]), -1, np.int32)
    old_to_new[keep] = np.arange(len(keep))
    start, vertex, offset = _actions(data, old_to_new)
    mean = data["rest_vertices"].astype(np.float32).mean(0)
    face70 = json.loads((ASSETS / "anny_face70_vertices.json").read_text())["vertex_ids"]
    weights = data["bone_w"][keep].astype(np.float32)
    main = data["bone_idx"][keep, data["bone_w"][keep].argmax(1)]
    return Rig(
        faces=old_to_new[faces],
        bones=bones,
        parents=tuple(int(p) for p in data["parents"]),
        bone_idx=data["bone_idx"][keep].astype(np.int32),
        bone_w=weights / weights.sum(1, keepdims=True),
        actions={str(a): i for i, a in enumerate(data["face_actions"])},
        action_start=start,
        action_vertex=vertex,
        action_offset=offset,
        face70=old_to_new[np.array(face70)],
        mean=mean[keep],
        rest=data["rest_vertices"][:, keep],
        heads=data["rest_bones"][:, :, :3, 3].astype(np.float32),
        ears=_ears(data, mean, old_to_new),
        eyeball=np.isin(main, [bones.index("eye.L"), bones.index("eye.R")]),
    )


@lru_cache(maxsize=128)
def read_body(identity: int) -> Body:
    """Read one identity, scaled so that all sit about equally high."""
    rig = read_rig()
    rest = mean_of_parents(rig.rest, identity)
    scale = float(_SEATED_HEIGHT / rest[:, 2].max())
    # The camera frames an adult's head. Only children and giants, whose factor is out of this
    # range, keep 15 % of what sets them apart.
    scale = 0.15 * float(np.clip(scale, 0.85, 1.2)) + 0.85 * scale
    return Body(identity, rest * scale, mean_of_parents(rig.heads, identity) * scale, scale)


def parents(identity: int) -> tuple[int, ...]:
    """Return the bodies that an identity is made of: 0..63 one, above them the mean of two."""
    first, second = divmod(identity, NUM_BODIES)
    return (second,) if first == 0 else (first - 1, second)


def mean_of_parents(published: NDArray, identity: int) -> FloatArray:
    """Average what is published per body, (64, ...), over the parents of an identity, (...)."""
    return published[list(parents(identity))].astype(np.float32).mean(0)


def _upper_body(
    data: dict[str, NDArray], bones: tuple[str, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Select vertex ids and triangles (old ids) above the thighs."""
    lower = np.array([b.startswith(_LOWER_BODY) for b in bones])
    main = data["bone_idx"][np.arange(len(data["bone_w"])), data["bone_w"].argmax(1)]
    faces = data["faces"].astype(np.int64)
    faces = faces[~lower[main][faces].any(1)]
    return np.unique(faces), faces


def _actions(
    data: dict[str, NDArray], old_to_new: IntArray
) -> tuple[IntArray, IntArray, FloatArray]:
    vertex = old_to_new[data["fa_v"]]
    kept = vertex >= 0
    action = data["fa_a"][kept].astype(np.int64)
    # Sorted by action, each action's offsets are one slice: `start` is all a kernel needs.
    order = np.argsort(action, kind="stable")
    counts = np.bincount(action, minlength=len(data["face_actions"]))
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return start, vertex[kept][order], data["fa_d"][kept][order].astype(np.float32)


def _ears(data: dict[str, NDArray], mean: NDArray, old_to_new: IntArray) -> tuple[int, int]:
    ears = []
    for name in ("left_ear", "right_ear"):
        of_ear = data["kp_k"] == list(data["kp23_labels"]).index(name)
        # The published regressor gives a point inside the ear; a vertex can be skinned and hidden.
        center = (data["kp_w"][of_ear, None] * mean[data["kp_v"][of_ear]]).sum(0)
        distance = np.linalg.norm(mean - center, axis=1)
        ears.append(int(old_to_new[np.where(old_to_new >= 0, distance, np.inf).argmin()]))
    return ears[0], ears[1]


@dataclass(frozen=True)
class HandRig:
    """Bones and rest directions of one hand of one body."""

    side: int
    """+1 left, -1 right."""
    wrist: int
    fingers: tuple[tuple[int, int, int], ...]
    """Bone indices of five fingers, thumb first, base to tip."""
    tips: IntArray
    """(5,) vertex at the end of each finger."""
    rest_tips: FloatArray
    """(5, 3) where those vertices rest."""
    pointing: FloatArray
    """(3,) unit, wrist to middle knuckle, at rest."""
    palm: FloatArray
    """(3,) unit, out of the palm, at rest."""


def read_hand(body: Body, side: int) -> HandRig:
    """Measure one hand at rest: side +1 is the person's left, -1 the right."""
    rig = read_rig()
    mark = "L" if side > 0 else "R"
    fingers = tuple(
        tuple(rig.bone(f"finger{f}-{j}.{mark}") for j in (1, 2, 3)) for f in range(1, 6)
    )
    wrist = rig.bone(f"wrist.{mark}")
    heads = body.heads
    tips = np.array([_finger_tip(f[2], f[1]) for f in fingers], np.int32)
    pointing = unit(heads[fingers[2][0]] - heads[wrist])
    across = heads[fingers[1][0]] - heads[fingers[4][0]]
    palm = unit(np.cross(pointing, across) * side)
    return HandRig(side, wrist, fingers, tips, body.rest[tips], pointing, palm)  # pyright: ignore[reportArgumentType]


@lru_cache(maxsize=32)
def _finger_tip(last: int, before: int) -> int:
    """Find the vertex farthest along a finger's last bone."""
    rig = read_rig()
    heads = rig.heads.mean(0)
    of_bone = np.flatnonzero(rig.main_bone == last)
    along = (rig.mean[of_bone] - heads[last]) @ (heads[last] - heads[before])
    return int(of_bone[along.argmax()])
