"""Build drawable meshes: body, hair, cap, desk, objects.

Every piece is a `Part`: vertices that follow bones, triangles, texels in the person's atlas.
Legend: V vertices, F triangles.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from benchmark.synthetic.geometry import unit

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]


class Group(IntEnum):
    """Triangles that some frames hide together."""

    ALWAYS = 0
    PEN_LEFT = 1
    PEN_RIGHT = 2
    PEN_ON_DESK = 3


@dataclass(frozen=True)
class Part:
    """A piece of mesh."""

    rest: FloatArray
    """(V, 3) meters."""
    faces: IntArray
    """(F, 3), counter-clockwise seen from outside."""
    face_uv: FloatArray
    """(F, 3, 2) texels: x, y in the atlas."""
    bone_idx: IntArray
    """(V, 4)."""
    bone_w: FloatArray
    """(V, 4)."""
    group: Group = Group.ALWAYS


@dataclass(frozen=True)
class Mesh:
    """All parts joined; the body's vertices come first, in the rig's order."""

    rest: FloatArray
    normals: FloatArray
    faces: IntArray
    face_uv: FloatArray
    bone_idx: IntArray
    bone_w: FloatArray
    group: NDArray[np.uint8]
    """(F,) `Group` of each triangle."""


def join(parts: list[Part]) -> Mesh:
    """Join all parts into one mesh with vertex normals."""
    starts = np.cumsum([0] + [len(p.rest) for p in parts])
    rest = np.concatenate([p.rest for p in parts]).astype(np.float32)
    faces = np.concatenate([p.faces + s for p, s in zip(parts, starts, strict=False)])
    return Mesh(
        rest=rest,
        normals=vertex_normals(rest, faces),
        faces=faces.astype(np.int32),
        face_uv=np.concatenate([p.face_uv for p in parts]).astype(np.float32),
        bone_idx=np.concatenate([p.bone_idx for p in parts]).astype(np.int32),
        bone_w=np.concatenate([p.bone_w for p in parts]).astype(np.float32),
        group=np.concatenate([np.full(len(p.faces), p.group, np.uint8) for p in parts]),
    )


def vertex_normals(rest: NDArray, faces: NDArray) -> FloatArray:
    """Compute (V, 3) unit normals: the mean of the triangles around, weighted by area."""
    a, b, c = (rest[faces[:, i]] for i in range(3))
    normal = np.cross(b - a, c - a)  # twice the area long: the weight comes for free
    total = np.zeros_like(rest)
    for i in range(3):
        # `total[index] += normal` would count a vertex once that many triangles share.
        np.add.at(total, faces[:, i], normal)
    return unit(total).astype(np.float32)


def smooth(rest: NDArray, faces: NDArray, amount: NDArray, rounds: int) -> NDArray:
    """Draw vertices towards the mean of their neighbors.

    Args:
        rest: (V, 3) meters.
        faces: (F, 3) triangles.
        amount: (V,) 0 for vertices that stay, 1 for full smoothing.
        rounds: Repetitions.
    """
    # In a closed mesh each edge belongs to two triangles that run it in opposite directions: taking
    # every triangle's edges once lists each neighbor once (except at the open rim).
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    count = np.bincount(edges[:, 0], minlength=len(rest))[:, None]
    out = rest.astype(np.float64)
    for _ in range(rounds):
        mean = np.stack(
            [np.bincount(edges[:, 0], out[edges[:, 1], k], len(rest)) for k in range(3)], 1
        ) / np.maximum(count, 1)
        out += amount[:, None] * 0.6 * (mean - out)
    return out


def rigid(rest: NDArray, faces: NDArray, texels: NDArray, bone: int, group: Group) -> Part:
    """Make a part that follows one bone.

    Args:
        rest: (V, 3) meters.
        faces: (F, 3) triangles.
        texels: (V, 2) per vertex, or (2,) for one color.
        bone: Index of the bone.
        group: When to hide it.
    """
    texels = np.broadcast_to(np.asarray(texels, np.float32), (len(rest), 2))
    bone_idx = np.zeros((len(rest), 4), np.int32)
    bone_idx[:, 0] = bone
    bone_w = np.zeros((len(rest), 4), np.float32)
    bone_w[:, 0] = 1
    return Part(rest, faces.astype(np.int32), texels[faces], bone_idx, bone_w, group)


def grid_faces(rows: int, columns: int) -> IntArray:
    """List the triangles of a grid of rows x columns vertices."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    quads = np.stack([a, b, c, d], -1).reshape(-1, 4)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)


def tube(points: NDArray, radii: NDArray, sides: int = 8) -> tuple[NDArray, IntArray]:
    """Build a closed tube along `points` (n, 3) with `radii` (n,): vertices and triangles."""
    along = unit(np.gradient(points, axis=0))
    # Any axis that is not parallel to the tube gives a direction across it.
    first = unit(
        np.cross(along, np.where(np.abs(along[:, :1]) < 0.9, [[1.0, 0, 0]], [[0, 1.0, 0]]))
    )
    second = np.cross(along, first)
    angle = np.linspace(0, 2 * np.pi, sides + 1)
    ring = (
        np.cos(angle)[None, :, None] * first[:, None]
        + np.sin(angle)[None, :, None] * second[:, None]
    )
    rest = points[:, None] + radii[:, None, None] * ring
    return rest.reshape(-1, 3), grid_faces(len(points), sides + 1)


def ellipsoid(
    center: NDArray, radii: NDArray, rows: int = 8, columns: int = 12
) -> tuple[NDArray, IntArray]:
    """Build vertices and triangles of an ellipsoid.

    Args:
        center: (3,) meters.
        radii: (3,) meters.
        rows: Rings from pole to pole.
        columns: Corners per ring.
    """
    # The poles are tiny holes: triangles that share one point would have no area and no normal.
    theta = np.linspace(0.001, np.pi - 0.001, rows)[:, None]
    phi = np.linspace(0, 2 * np.pi, columns + 1)[None]
    ball = np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta) + 0 * phi], -1
    )
    rest = center + radii * ball
    faces = grid_faces(rows, columns + 1)[:, [0, 2, 1]]
    return rest.reshape(-1, 3), faces


def quad(corners: NDArray, divisions: int) -> tuple[NDArray, IntArray, NDArray]:
    """Build a flat patch from corners (4, 3) in order: vertices, triangles, (u, v) in 0..1."""
    s, t = np.meshgrid(np.linspace(0, 1, divisions), np.linspace(0, 1, divisions))
    a, b, c, d = np.asarray(corners, float)
    s, t = s[..., None], t[..., None]
    rest = (1 - t) * ((1 - s) * a + s * b) + t * ((1 - s) * d + s * c)
    uv = np.concatenate([s, t], -1).reshape(-1, 2)
    return rest.reshape(-1, 3), grid_faces(divisions, divisions), uv
