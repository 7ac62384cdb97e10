"""Build a room with a chair, and a camera that holds the whole person: floor, wall, seat, lamps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from benchmark.synthetic.atlas import Swatch
from benchmark.synthetic.geometry import unit
from benchmark.synthetic.mesh import Group, Part, quad, rigid, tube
from benchmark.synthetic.scene import STATIC_BONE, Camera, Scene, project, tripod_camera

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.synthetic.geometry import Array
    from benchmark.synthetic.legs import Seat

_MARGIN = 1.3
"""Factor by which the backdrop is larger than the frame, as in `scene`."""
_TOP, _SIDE, _TOES = 1.03, 0.42, 0.40
"""Meters that the frame holds: above the pelvis, to each side, in front of the knees."""
_LAP = 0.075
"""Height of the lap above the pelvis: goals above a desk are measured from here."""


class Studio(NamedTuple):
    """Room and camera of one clip."""

    scene: Scene
    camera: Camera


def build_studio(
    room: np.random.Generator, operator: np.random.Generator, seat: Seat, *,
    num_frames: int, size: tuple[int, int],
) -> Studio:  # fmt: skip
    """Build the room of a person, filmed by another operator in each clip.

    Args:
        room: Random generator of the person's room, alike in all clips of the person.
        operator: Random generator of this clip's camera.
        seat: Seat of the person.
        num_frames: Length of the clip.
        size: Frame width and height in px.
    """
    camera, base = _film(operator, num_frames, seat, size)
    lights = _lamps(room)
    strength = room.uniform(0.25, 0.45)
    scene = Scene(
        backdrop=_backdrop(room, base, seat, size),
        parts=_chair(room, seat),
        lights=lights,
        shadow=np.array([-np.sign(lights[0, 0]) * 2, 2, strength], np.float32),
        desk_height=_LAP,  # there is no desk: hands that rest "on" it lie in the lap
        desk_near=0.0,
        grain=float(room.uniform(1.0, 3.0)),
        tint=np.array([room.uniform(0.94, 1.06), 1.0, room.uniform(0.92, 1.08)], np.float32),
    )
    return Studio(scene, camera)


def _film(
    rng: np.random.Generator, num_frames: int, seat: Seat, size: tuple[int, int]
) -> tuple[Camera, Array]:
    """Set up the camera; return it and its row (15,) before the operator's hand moves it.

    Args:
        rng: Random generator of the camera.
        num_frames: T.
        seat: Seat of the person.
        size: Frame width and height in px.
    """
    width, height = size
    distance = rng.uniform(3.2, 4.2)
    azimuth, above = rng.uniform(-0.55, 0.55), rng.uniform(0.10, 0.34)
    target = np.array([0.0, -0.25, (_TOP + seat.floor) / 2])
    position = target + distance * np.array([np.sin(azimuth), -np.cos(azimuth), above])
    target, tall, wide = _aim(position, target, seat)
    focal = min(height / tall, width / wide) * rng.uniform(0.90, 1.0)
    target[:2] += rng.uniform(-0.05, 0.05) * np.array([np.cos(azimuth), np.sin(azimuth)])
    camera = tripod_camera(rng, num_frames, position, target, (focal, width, height))
    base = camera.rows[0].astype(np.float64)
    base[12:] = focal, width / 2, height / 2
    return camera, base


def _aim(position: Array, target: Array, seat: Seat) -> tuple[Array, float, float]:
    """Find the target that centers a person, and their height and width at focal length 1."""
    front = -seat.knee - _TOES
    person = np.array([
        (0, 0, _TOP), (-_SIDE, 0, 0), (_SIDE, 0, 0), (-_SIDE / 2, front, seat.floor),
        (_SIDE / 2, front, seat.floor),
    ])  # fmt: skip
    extent = np.zeros(2)
    # Turning the camera changes the perspective a little: the second round corrects the first.
    for _ in range(2):
        forward = unit(target - position)
        right = unit(np.cross(forward, [0.0, 0.0, 1.0]))
        row = np.concatenate([right, np.cross(forward, right), forward, position, [1.0, 0.0, 0.0]])
        seen = project(row, person)[:, :2]
        extent = np.ptp(seen, axis=0)
        middle = (seen.min(0) + seen.max(0)) / 2 * np.linalg.norm(target - position)
        target = target + middle[0] * right - middle[1] * np.array([0.0, 0.0, 1.0])
    return target, float(extent[1]), float(extent[0])


def _lamps(rng: np.random.Generator) -> NDArray[np.float32]:
    """Choose (3, 7) lamps: a key, a fill from the other side, and the ceiling."""
    key = unit(np.array([rng.uniform(-0.8, 0.8), -0.7, rng.uniform(0.7, 1.2)]))
    warm = np.array([1.0, rng.uniform(0.93, 1.0), rng.uniform(0.84, 1.0)])
    fill = unit(np.array([-key[0], -0.8, 0.1]))
    return np.array(
        [
            [*key, 0.25, *(warm * rng.uniform(0.5, 0.8))],
            [*fill, 0.6, *(np.array([0.95, 0.98, 1.0]) * rng.uniform(0.22, 0.36))],
            [0.0, 0.0, 1.0, 1.0, *np.full(3, rng.uniform(0.34, 0.5))],
        ],
        np.float32,
    )


def _backdrop(
    rng: np.random.Generator, base: Array, seat: Seat, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """Paint wall, baseboard, floor and the chair's shadow on it, out of focus.

    Args:
        rng: Random generator of the room.
        base: (15,) row of the camera.
        seat: Seat of the person.
        size: Frame width and height in px.
    """
    width, height = int(size[0] * _MARGIN), int(size[1] * _MARGIN)
    shift = np.array([(width - size[0]) / 2, (height - size[1]) / 2])
    wall_y = rng.uniform(0.7, 1.4)
    wall = np.clip(rng.uniform(70, 220) + rng.normal(0, 18, 3), 20, 240)
    floor = np.clip(rng.uniform(50, 180) + np.array([14, 4, -8]) + rng.normal(0, 12, 3), 20, 230)
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = wall
    _furnish(picture, rng, wall)

    def seen(points: list[tuple[float, float, float]]) -> NDArray[np.int32]:
        """Project points on floor or wall (x, y, meters above the floor) to (n, 2) px."""
        world = np.array(points) + [0, 0, seat.floor]
        return np.round(project(base, world)[:, :2] + shift).astype(np.int32)

    edge = seen([(-3, wall_y, 0), (3, wall_y, 0)])
    corners = np.concatenate([edge, [[width * 3, height * 3], [-width * 3, height * 3]]])
    cv2.fillPoly(picture, [corners.astype(np.int32)], floor.tolist())
    skirting = np.concatenate([edge, seen([(3, wall_y, 0.07), (-3, wall_y, 0.07)])])
    cv2.fillPoly(picture, [skirting], (wall * rng.uniform(0.55, 0.85)).tolist())
    dark = np.ones((height, width), np.float32)
    angle = np.linspace(0, 2 * np.pi, 24)
    ring = [(0.36 * np.cos(a), 0.34 * np.sin(a) - 0.14, 0.0) for a in angle]
    cv2.fillPoly(dark, [seen(ring)], 0.55)
    dark = cv2.GaussianBlur(dark, (0, 0), height / 40)
    soft = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.6, 1.4))
    return (soft * dark[..., None]).astype(np.uint8)


def _furnish(picture: NDArray[np.uint8], rng: np.random.Generator, wall: Array) -> None:
    """Paint a window, a picture, a cupboard or nothing on the wall."""
    h, w = picture.shape[:2]
    for _ in range(int(rng.integers(0, 4))):
        x, y = int(rng.integers(-w // 5, w)), int(rng.integers(-h // 5, h // 2))
        across, down = int(rng.uniform(0.12, 0.5) * w), int(rng.uniform(0.12, 0.5) * h)
        color = np.clip(wall + rng.normal(0, 45, 3), 8, 246)
        cv2.rectangle(picture, (x, y), (x + across, y + down), color.tolist(), -1)
        cv2.rectangle(picture, (x, y), (x + across, y + down), (color * 0.7).tolist(), 2)


def _chair(rng: np.random.Generator, seat: Seat) -> list[Part]:
    """Build a chair with or without a back: a seat and four legs."""
    half, deep = rng.uniform(0.20, 0.25), rng.uniform(0.20, 0.26)
    front, back, thick = -deep, 0.24, rng.uniform(0.03, 0.06)
    parts = [_box((-half, front, seat.top - thick), (half, back, seat.top), Swatch.DESK_TOP)]
    for x in (-half + 0.03, half - 0.03):
        for y in (front + 0.03, back - 0.03):
            ends = np.array([[x, y, seat.top - thick], [x, y, seat.floor]])
            rest, faces = tube(ends, np.array([0.015, 0.013]), 6)
            both = np.concatenate([faces, faces[:, [0, 2, 1]]])
            parts.append(rigid(rest, both, Swatch.STEEL.texel, STATIC_BONE, Group.ALWAYS))
    if rng.random() < 0.6:
        low, high = (-half, back, seat.top + 0.1), (half, back + 0.03, rng.uniform(0.25, 0.42))
        parts.append(_box(low, high, Swatch.DESK_FRONT))
    return parts


def _box(low: tuple[float, float, float], high: tuple[float, float, float], swatch: Swatch) -> Part:
    """Build a box between two corners, flat-shaded."""
    # Each side has corners of its own: shared ones would average the normals and round the edges.
    (a, b, c), (x, y, z) = low, high
    sides = (
        [(a, b, z), (x, b, z), (x, y, z), (a, y, z)],
        [(a, b, c), (x, b, c), (x, b, z), (a, b, z)],
        [(x, b, c), (x, y, c), (x, y, z), (x, b, z)],
        [(a, y, c), (a, b, c), (a, b, z), (a, y, z)],
        [(x, y, c), (a, y, c), (a, y, z), (x, y, z)],
        [(a, y, c), (x, y, c), (x, b, c), (a, b, c)],
    )
    patches = [quad(np.array(side), 2) for side in sides]
    rest = np.concatenate([patch[0] for patch in patches])
    faces = np.concatenate([patch[1] + 4 * k for k, patch in enumerate(patches)])
    return rigid(rest, faces, swatch.texel, STATIC_BONE, Group.ALWAYS)
