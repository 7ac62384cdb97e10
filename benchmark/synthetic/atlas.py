"""Map each part of the skin to a place in a person's texture, the atlas; colors are RGB uint8.

The head is unrolled as a cylinder, the torso seen flat from front and back, each arm unrolled
along its length. Legs, where a person has them, are seen flat, front and back alike.
Legend: V vertices, F triangles.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

import numpy as np

from benchmark.synthetic.assets import Body, read_rig
from benchmark.synthetic.geometry import unit

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH, HEIGHT = 704, 784
TORSO_PX_PER_M = 520.0
TORSO_HALF_WIDTH, TORSO_TOP = 0.335, 0.71
HEAD_PX = 256
WRAP = 20


class Panel(Enum):
    """Rectangles of the atlas: x, y, width, height."""

    HEAD = (0, 0, HEAD_PX + 2 * WRAP, HEAD_PX)
    FRONT = (300, 0, 350, 392)
    BACK = (300, 392, 350, 392)
    ARM_LEFT = (0, 260, 128, 256)
    ARM_RIGHT = (130, 260, 128, 256)
    EYE = (652, 0, 48, 48)
    LEGS = (0, 572, 298, 210)

    def view(self, atlas: NDArray) -> NDArray:
        """Return the panel's pixels, writable."""
        x, y, w, h = self.value
        return atlas[y : y + h, x : x + w]


class Swatch(IntEnum):
    """Plain colors for small pieces."""

    SKIN = 0
    TONGUE = 1
    HAIR = 2
    CAP = 3
    CAP_EDGE = 4
    DESK_TOP = 5
    DESK_FRONT = 6
    PEN = 7
    MUG = 8
    STEEL = 9
    FOAM = 10
    PAPER = 11
    NAIL = 12
    SHOE = 13

    @property
    def texel(self) -> NDArray[np.float32]:
        """(2,) middle of the swatch."""
        return np.array([8 + 20 * self, 560], np.float32)

    def paint(self, atlas: NDArray, color: NDArray) -> None:
        """Fill the swatch."""
        x, y = self.texel.astype(int)
        atlas[y - 8 : y + 8, x - 8 : x + 8] = color


@dataclass(frozen=True)
class HeadMap:
    """Cylinder coordinates of one body's head."""

    axis_y: float
    bottom: float
    top: float

    @staticmethod
    def of(body: Body) -> HeadMap:
        """Fit to a body."""
        rig = read_rig()
        head = body.rest[rig.main_bone == rig.bone("head")]
        middle = (head[:, 1].min() + head[:, 1].max()) / 2
        return HeadMap(float(middle), float(head[:, 2].min()) - 0.01, float(head[:, 2].max()))

    def texels(self, points: NDArray) -> NDArray:
        """Map points (..., 3) to x, y (..., 2) within the HEAD panel."""
        angle = np.arctan2(points[..., 0], self.axis_y - points[..., 1])
        x = WRAP + (angle / (2 * np.pi) + 0.5) * HEAD_PX
        y = (self.top - points[..., 2]) / (self.top - self.bottom) * (HEAD_PX - 1)
        return np.stack([x, y], -1)


def torso_texels(points: NDArray) -> NDArray:
    """Map points (..., 3) to x, y (..., 2) within FRONT or BACK."""
    x = (points[..., 0] + TORSO_HALF_WIDTH) * TORSO_PX_PER_M
    y = (TORSO_TOP - points[..., 2]) * TORSO_PX_PER_M
    return np.stack([x, y], -1)


def arm_texels(body: Body, side: int, points: NDArray) -> NDArray:
    """Map points to (..., 2): x round the arm, y along it, shoulder 0, elbow 112, wrist 224."""
    rig = read_rig()
    mark = "L" if side > 0 else "R"
    s, e, w = (body.heads[rig.bone(f"{n}.{mark}")] for n in ("upperarm01", "lowerarm01", "wrist"))
    upper, lower = unit(e - s), unit(w - e)
    t0 = (points - s) @ upper / np.linalg.norm(e - s)
    t1 = (points - e) @ lower / np.linalg.norm(w - e)
    # The plane that halves the elbow's angle divides upper arm from forearm.
    middle = unit(upper + lower)
    fore = (points - e) @ middle > 0
    t = np.where(fore, 1 + np.maximum(t1, 0), np.minimum(t0, 1))
    center = np.where(fore[..., None], e + t1[..., None] * (w - e), s + t0[..., None] * (e - s))
    offset = points - center
    hinge = unit(np.cross(upper, lower))
    third = np.where(fore[..., None], np.cross(lower, hinge), np.cross(upper, hinge))
    angle = np.arctan2(offset @ hinge, (offset * third).sum(-1))
    return np.stack([(angle / (2 * np.pi) + 0.5) * 127, np.clip(t, 0, 2.28) * 112], -1)


def face_texels(body: Body) -> NDArray[np.float32]:
    """Compute (F, 3, 2) atlas texels of the body's triangles."""
    rig = read_rig()
    names = np.array(rig.bones)[rig.main_bone]
    part = np.array([_part(n) for n in names])
    corners = body.rest[rig.faces]
    # A triangle between two parts goes to the part of most of its corners.
    part_of = np.median(part[rig.faces], axis=1).astype(int)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    out = np.empty((len(rig.faces), 3, 2), np.float32)
    out[:] = Swatch.SKIN.texel
    head = _unwrapped(HeadMap.of(body).texels(corners), HEAD_PX)
    _place(out, part_of == 0, head, Panel.HEAD)
    flat = torso_texels(corners)
    _place(out, (part_of == 1) & (normal[:, 1] <= 0), flat, Panel.FRONT)
    _place(out, (part_of == 1) & (normal[:, 1] > 0), flat, Panel.BACK)
    for number, side, panel in ((2, 1, Panel.ARM_LEFT), (3, -1, Panel.ARM_RIGHT)):
        _place(out, part_of == number, _unwrapped(arm_texels(body, side, corners), 128), panel)
    _eyes(body, corners, part_of, out)
    tongue = _tongue(rig.faces, rig.mean, part_of == 0)
    out[tongue] = Swatch.TONGUE.texel
    return out


def _part(bone: str) -> int:
    """Classify a bone: 0 head, 1 torso, 2 left arm, 3 right arm, 4 hand, 5 eye."""
    if bone.startswith("eye"):
        return 5
    if bone == "head":
        return 0
    if bone.startswith(("upperarm", "lowerarm", "shoulder")):
        return 2 if bone.endswith("L") else 3
    return 4 if bone.startswith(("wrist", "finger", "metacarpal")) else 1


def _unwrapped(texels: NDArray, period: float) -> NDArray:
    """Move corners of triangles that would stretch across the seam at the back."""
    # A triangle over the seam has corners at both ends of the panel. Its low corners move up by one
    # period, into the strip of WRAP texels that repeats the panel's beginning. A triangle that
    # would leave the strip moves back, by a bit less than a period so that it stays in the panel.
    x = texels[..., 0]
    wide = np.ptp(x, axis=-1, keepdims=True) > period / 2
    x = np.where(wide & (x < np.mean(x, axis=-1, keepdims=True)), x + period, x)
    x = np.where(x.max(-1, keepdims=True) > period * 1.07, x - period * wide * 0.93, x)
    return np.stack([x, texels[..., 1]], -1)


def _place(out: NDArray, rows: NDArray, texels: NDArray, panel: Panel) -> None:
    x, y, w, h = panel.value
    # Half a texel inside: rounding must not sample the neighboring panel.
    clipped = np.clip(texels[rows], 0.5, [w - 1.5, h - 1.5])
    out[rows] = clipped + [x, y]


def _eyes(body: Body, corners: NDArray, part_of: NDArray, out: NDArray) -> None:
    rig = read_rig()
    x, y, w, h = Panel.EYE.value
    for name in ("eye.L", "eye.R"):
        ball = body.rest[rig.main_bone == rig.bone(name)]
        low, high = ball.min(0), ball.max(0)
        of_eye = (part_of == 5) & ((corners[:, :, 0] > 0).all(1) == (name == "eye.L"))
        u = (corners[of_eye, :, 0] - low[0]) / (high[0] - low[0]) * (w - 3) + 1
        v = (high[2] - corners[of_eye, :, 2]) / (high[2] - low[2]) * (h - 3) + 1
        out[of_eye] = np.stack([u + x, v + y], -1)


def _tongue(faces: NDArray, mean: NDArray, head: NDArray) -> NDArray:
    """Find the triangles inside the mouth by their place in the mean body."""
    center = mean[faces].mean(1)
    inside = (np.abs(center[:, 0]) < 0.024) & (center[:, 2] > 0.612) & (center[:, 2] < 0.648)
    return head & inside & (center[:, 1] > -0.122) & (center[:, 1] < -0.04)
