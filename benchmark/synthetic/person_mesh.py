"""Build a person's drawable mesh: body with the thickness of cloth and hair, hair pieces, cap."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.synthetic.appearance import Appearance, Hair
from benchmark.synthetic.assets import Body, HandRig, read_hand, read_rig
from benchmark.synthetic.atlas import HeadMap, Panel, Swatch, face_texels
from benchmark.synthetic.geometry import unit
from benchmark.synthetic.mesh import (
    Group,
    Part,
    ellipsoid,
    grid_faces,
    rigid,
    smooth,
    tube,
    vertex_normals,
)
from benchmark.synthetic.paint import paint
from benchmark.synthetic.paint_face import cap_mask, scalp_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray


class PersonMesh(NamedTuple):
    """Parts of one dressed person, and their texture."""

    parts: list[Part]
    """The body first, its vertices in the rig's order."""
    texture: NDArray[np.uint8]


def dress(body: Body, appearance: Appearance, rng: np.random.Generator) -> PersonMesh:
    """Paint one person and build their parts."""
    rig = read_rig()
    texture, mask = paint(body, appearance, rng)
    face_uv = face_texels(body)
    # The painted mask decides where cloth is, so that color and thickness end at the same hem.
    cloth = _vertex_amount(mask, rig.faces, face_uv, len(body.rest))
    rest = _clothed(body, appearance, cloth)
    rest = _with_hair(body, appearance, rest)
    skin = Part(rest.astype(np.float32), rig.faces, face_uv, rig.bone_idx, rig.bone_w)
    parts = [skin, *_hair_pieces(body, appearance, rng)]
    if appearance.cap:
        parts.append(_brim(body))
    # A pen for each hand is always there; frames hide those that are not held.
    for side, group in ((1, Group.PEN_LEFT), (-1, Group.PEN_RIGHT)):
        parts.append(_pen(read_hand(body, side), body, group))
    return PersonMesh(parts, texture)


def _vertex_amount(
    mask: NDArray, faces: NDArray, face_uv: NDArray, num_vertices: int
) -> NDArray[np.float32]:
    """Compute (V,) the share of a vertex's texels that the mask covers, 0..1.

    Args:
        mask: (h, w) atlas mask, 0..255.
        faces: (F, 3) triangles.
        face_uv: (F, 3, 2) texels.
        num_vertices: V.
    """
    value = mask[face_uv[..., 1].astype(int), face_uv[..., 0].astype(int)] / 255.0
    total = np.bincount(faces.ravel(), value.ravel(), num_vertices)
    count = np.bincount(faces.ravel(), minlength=num_vertices)
    return (total / np.maximum(count, 1)).astype(np.float32)


def _clothed(body: Body, appearance: Appearance, cloth: NDArray) -> NDArray:
    """Smooth the rest vertices under cloth and lift them off the skin."""
    # Cloth does not follow every muscle: smoothing turns the anatomy into a garment.
    rig = read_rig()
    soft = smooth(body.rest, rig.faces, cloth, 8)
    normals = vertex_normals(soft, rig.faces)
    thickness = appearance.bulk * cloth
    names = np.array(rig.bones)[rig.main_bone]
    arm = np.char.startswith(names, "lowerarm") | np.char.startswith(names, "upperarm")
    thickness = np.where(arm, thickness + 0.004 * cloth, thickness)
    return soft + thickness[:, None] * normals


def _with_hair(body: Body, appearance: Appearance, rest: NDArray) -> NDArray:
    """Lift the scalp by the thickness of the hair or cap."""
    rig = read_rig()
    head = rig.main_bone == rig.bone("head")
    texels = HeadMap.of(body).texels(body.rest[head])
    shape = (Panel.HEAD.value[3], Panel.HEAD.value[2])
    at = np.clip(texels, 0, [shape[1] - 1, shape[0] - 1]).astype(int)
    thickness = {Hair.SHAVED: 0.001, Hair.SHORT: 0.010, Hair.QUIFF: 0.016, Hair.BOB: 0.022,
                 Hair.LONG: 0.018, Hair.BUN: 0.010}[appearance.hair]  # fmt: skip
    amount = scalp_mask(body, appearance, shape)[at[:, 1], at[:, 0]] * thickness
    if appearance.hair is Hair.QUIFF:
        high = (body.rest[head, 2] - body.rest[head, 2].max() + 0.07) / 0.07
        front = np.clip(-(body.rest[head, 1] - HeadMap.of(body).axis_y) / 0.1, 0, 1)
        amount = amount + np.clip(high, 0, 1) * front * 0.018 * (amount > 0.008)
    if appearance.cap:
        cap = cap_mask(body, shape)[at[:, 1], at[:, 0]]
        amount = np.where(cap > 0.5, 0.016, amount * 0.6)
    normals = vertex_normals(body.rest, rig.faces)[head]
    # Hair is not lifted off the ears, which would swell with it.
    ear = np.abs(body.rest[head, 0]) > np.abs(body.rest[list(rig.ears), 0]).mean() - 0.004
    low = body.rest[head, 2] < body.rest[list(rig.ears), 2].mean() + 0.025
    lifted = rest.copy()
    lifted[head] += np.where(ear & low, 0.0, amount)[:, None] * normals
    return lifted


def _hair_pieces(body: Body, appearance: Appearance, rng: np.random.Generator) -> list[Part]:
    """Build hair that hangs or is tied: meshes on the head bone."""
    rig = read_rig()
    bone = rig.bone("head")
    head = HeadMap.of(body)
    center = np.array([0.0, head.axis_y, head.top - 0.10])
    match appearance.hair:
        case Hair.BUN:
            ball, faces = ellipsoid(center + [0, 0.085, 0.055], np.array([0.045, 0.04, 0.04]))
            return [rigid(ball, faces, Swatch.HAIR.texel, bone, Group.ALWAYS)]
        case Hair.BOB | Hair.LONG:
            length = (
                rng.uniform(0.16, 0.19) if appearance.hair is Hair.BOB else rng.uniform(0.24, 0.32)
            )
            return [_curtain(center, length, bone)]
        case Hair.SHAVED | Hair.SHORT | Hair.QUIFF:
            return []


def _curtain(center: NDArray, length: float, bone: int) -> Part:
    """Build hair from the crown down round back and sides."""
    rows, columns = 9, 19
    down = np.linspace(0, 1, rows)[:, None]
    angle = np.linspace(-2.05, 2.05, columns)[None]
    radius = 0.094 - 0.006 * np.cos(2 * angle) - 0.012 * down**2
    x = np.sin(angle) * radius * 0.93
    y = np.cos(angle) * radius * 1.12 + 0.012 + 0.015 * down
    z = 0.035 - down * length + 0 * angle
    rest = np.stack([x, y, z], -1).reshape(-1, 3) + center
    faces = grid_faces(rows, columns)
    # Back faces are not drawn, and a sheet is seen from both sides: draw it in both directions.
    both = np.concatenate([faces, faces[:, [0, 2, 1]]])
    return rigid(rest, both, Swatch.HAIR.texel, bone, Group.ALWAYS)


def _brim(body: Body) -> Part:
    """Build the peak of a cap."""
    rig = read_rig()
    brows = body.rest[rig.face70[17:27]]
    z = brows[:, 2].mean() + 0.034
    axis_y = HeadMap.of(body).axis_y
    angle = np.linspace(-1.15, 1.15, 15)[None]
    out = np.linspace(0, 1, 5)[:, None]
    half = np.abs(body.rest[rig.main_bone == rig.bone("head"), 0]).max() * 0.95
    x = np.sin(angle) * half * (1.0 + 0.1 * out)
    y = axis_y - np.cos(angle) * (0.098 + 0.075 * out)
    z = z - 0.034 * out**1.4 - 0.014 * np.abs(angle) ** 2 * (0.4 + 0.6 * out)
    top = np.stack(np.broadcast_arrays(x, y, z), -1).reshape(-1, 3)
    faces = grid_faces(5, 15)
    both = np.concatenate([faces, faces[:, [0, 2, 1]]])
    return rigid(top, both, Swatch.CAP_EDGE.texel, rig.bone("head"), Group.ALWAYS)


def _pen(hand: HandRig, body: Body, group: Group) -> Part:
    """Build a pen between thumb and index finger; it moves with the index finger's middle bone."""
    index, thumb = hand.fingers[1], hand.fingers[0]
    heads = body.heads
    middle = heads[index[2]] * 0.7 + heads[thumb[2]] * 0.3 + hand.palm * 0.012
    along = unit(heads[index[0]] - heads[hand.fingers[4][0]] + 0.6 * hand.palm)
    steps = np.linspace(-0.07, 0.11, 5)[:, None]
    rest, faces = tube(middle + steps * along, np.array([0.003, 0.008, 0.008, 0.008, 0.007]), 6)
    both = np.concatenate([faces, faces[:, [0, 2, 1]]])
    return rigid(rest, both, Swatch.PEN.texel, index[1], group)
