"""Dress a whole person's legs: trousers or shorts, shoes; also the object in the hand.

Colors are RGB uint8.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from benchmark.synthetic.assets import Body, mean_of_parents, read_rig
from benchmark.synthetic.atlas import Panel, Swatch
from benchmark.synthetic.geometry import unit
from benchmark.synthetic.legs import read_legs
from benchmark.synthetic.mesh import Group, Part, rigid, smooth, tube, vertex_normals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.synthetic.appearance import Appearance
    from benchmark.synthetic.person_mesh import PersonMesh

_CLOTH = (
    (36, 48, 78), (62, 82, 120), (96, 116, 150), (28, 28, 32), (66, 66, 70), (118, 116, 112),
    (150, 128, 92), (186, 170, 140), (84, 74, 56), (70, 34, 38),
)  # fmt: skip
_SHOES = ((24, 22, 22), (92, 60, 38), (226, 226, 222), (60, 64, 72), (150, 40, 40))
_THINGS = ((226, 40, 40), (250, 214, 40), (30, 170, 230), (240, 240, 240), (40, 200, 90))
_THICKER = 2.2
_IN_HAND = (Group.PEN_LEFT, Group.PEN_RIGHT)
_ACROSS, _TOP, _BOTTOM = 0.32, 0.12, -1.02
"""Meters of the published body that the panel shows: half width, top, bottom."""
_WAIST = 0.02
"""Height in the mean body where the shirt ends."""
_KNEE, _HEM = -0.47, -0.84
"""Heights in the mean body where shorts and trousers end."""


def with_legs(
    person: PersonMesh, body: Body, appearance: Appearance, rng: np.random.Generator
) -> PersonMesh:
    """Complete a person: end the shirt at the waist, add legs and shoes after the other parts.

    Args:
        person: Parts and texture; the texture is painted into.
        body: The person's body.
        appearance: The person's colors.
        rng: Random generator of the trousers.
    """
    short = bool(rng.random() < 0.22)
    hem = _KNEE if short else _HEM
    _paint(person.texture, appearance, rng, hem)
    shoe = np.clip(np.array(_SHOES[rng.integers(len(_SHOES))]) + rng.normal(0, 8, 3), 8, 250)
    Swatch.SHOE.paint(person.texture, shoe.astype(np.uint8))
    legs = _legs(body, hem, float(rng.uniform(0.008, 0.016)))
    Swatch.PEN.paint(person.texture, np.array(_THINGS[rng.integers(len(_THINGS))], np.uint8))
    shirt, *others = person.parts
    others = [_thicker(part) if part.group in _IN_HAND else part for part in others]
    parts = [_hemmed(shirt), *others, legs, _shoe(body, "L"), _shoe(body, "R")]
    return person._replace(parts=parts)


def _thicker(pen: Part) -> Part:
    """Enlarge an object so that it is seen where the whole person is in the frame."""
    middle = pen.rest.mean(0)
    return replace(pen, rest=(middle + _THICKER * (pen.rest - middle)).astype(np.float32))


def _hemmed(shirt: Part) -> Part:
    """Drop the upper body's triangles below the waist."""
    # Its vertices stay: keypoints and face actions find them by number.
    rig = read_rig()
    spine = np.array([name.startswith("spine") for name in rig.bones])[rig.main_bone]
    below = (spine & (rig.mean[:, 2] < _WAIST))[shirt.faces].any(1)
    return replace(shirt, faces=shirt.faces[~below], face_uv=shirt.face_uv[~below])


def _paint(texture: NDArray, appearance: Appearance, rng: np.random.Generator, hem: float) -> None:
    """Paint cloth with folds, and skin below the hem.

    Args:
        texture: Atlas to paint into.
        appearance: The person's skin.
        rng: Random generator of the trousers.
        hem: Height in the mean body where the cloth ends, meters.
    """
    view = Panel.LEGS.view(texture)
    h, w = view.shape[:2]
    cloth = np.clip(np.array(_CLOTH[rng.integers(len(_CLOTH))]) + rng.normal(0, 10, 3), 8, 250)
    folds = cv2.GaussianBlur(rng.standard_normal((h, w)).astype(np.float32), (0, 0), 5) * 2.0
    view[:] = np.clip(cloth * (1 + 0.14 * np.clip(folds, -1.5, 1.5))[..., None], 0, 255)
    line = int(_row(np.array(hem)))
    view[line:] = appearance.skin
    view[line - 3 : line] = view[line - 3 : line] // 2


def _row(z: NDArray) -> NDArray:
    """Compute the row of the panel that shows a height of the mean body."""
    return (_TOP - z) / (_TOP - _BOTTOM) * (Panel.LEGS.value[3] - 1)


def _legs(body: Body, hem: float, bulk: float) -> Part:
    """Build legs and hips with the thickness of cloth above the hem."""
    mesh = read_legs()
    x, y, w, h = Panel.LEGS.value
    rest = mean_of_parents(mesh.rest, body.identity) * body.scale
    cloth = np.clip((mesh.mean[:, 2] - hem) / 0.02, 0, 1)
    soft = smooth(rest, mesh.faces, cloth, 6)
    soft += (bulk * cloth)[:, None] * vertex_normals(soft, mesh.faces)
    # Texels follow the mean body, so that the hem is at one row of the panel for every build.
    across = (mesh.mean[:, 0] / _ACROSS + 1) / 2 * (w - 1)
    texels = np.stack([across, _row(mesh.mean[:, 2])], 1)
    texels = np.clip(texels, 0.5, [w - 1.5, h - 1.5]) + [x, y]
    return Part(
        soft.astype(np.float32), mesh.faces, texels[mesh.faces].astype(np.float32),
        mesh.bone_idx, mesh.bone_w,
    )  # fmt: skip


def _shoe(body: Body, mark: str) -> Part:
    """Build a shoe from heel to toe on one foot bone, closed at both ends."""
    rig = read_rig()
    foot = rig.bone(f"foot.{mark}")
    ankle, toe = body.heads[foot], body.heads[rig.bone(f"toe2-1.{mark}")]
    ahead = unit((toe - ankle) * [1, 1, 0])
    length, size = float(np.linalg.norm((toe - ankle)[:2])), body.scale
    share = np.array([-0.44, -0.40, -0.1, 0.35, 0.8, 1.15, 1.42, 1.5])
    radius = np.array([0.004, 0.036, 0.047, 0.049, 0.050, 0.045, 0.030, 0.004]) * size
    lift = np.array([0.8, 0.85, 1.0, 0.95, 0.7, 0.52, 0.42, 0.42])
    sole = ankle[2] - 0.078 * size
    points = ankle + share[:, None] * length * ahead
    points[:, 2] = sole + 0.046 * size * lift
    rest, faces = tube(points, radius, 10)
    # A tube squeezed towards the toes: a shoe is flatter in front.
    flat = np.repeat(points[:, 2], 11)
    rest[:, 2] = flat + (rest[:, 2] - flat) * np.repeat(lift, 11)
    both = np.concatenate([faces, faces[:, [0, 2, 1]]])
    return rigid(rest, both, Swatch.SHOE.texel, foot, Group.ALWAYS)
