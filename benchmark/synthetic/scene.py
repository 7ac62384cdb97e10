"""Build what surrounds a person: sponsor board, desk, microphone, mug, lamps and the camera."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from benchmark.synthetic.assets import read_rig
from benchmark.synthetic.atlas import Swatch
from benchmark.synthetic.geometry import Array, rotation, smooth_noise, unit
from benchmark.synthetic.mesh import Group, Part, ellipsoid, quad, rigid, tube

if TYPE_CHECKING:
    from numpy.typing import NDArray

STATIC_BONE = len(read_rig().bones)
"""Index of a bone that never moves, behind the rig's own."""

_NAMES = (
    "NORVA", "kelto", "BRIX9", "Solane", "MERID", "tamaro", "UVEX3", "Plinth", "ORCADA", "zentro",
    "HALVET", "Quorra", "DELMAR", "fjordo", "ARKEN", "Lumio", "PAXTON", "veldt", "CIRRA", "Omnia",
)  # fmt: skip


class Scene(NamedTuple):
    """One place."""

    backdrop: NDArray[np.uint8]
    """RGB, larger than the frame, in frame pixels."""
    parts: list[Part]
    lights: NDArray[np.float32]
    """(L, 7): direction, wrap, color."""
    shadow: NDArray[np.float32]
    """(3,): x, y in samples from what casts a contact shadow to where it falls; strength."""
    desk_height: float
    desk_near: float
    """y of the desk's edge towards the person."""
    grain: float
    tint: NDArray[np.float32]


def build_scene(rng: np.random.Generator, width: int, height: int) -> Scene:
    """Build a press-conference place from one generator."""
    desk_height = float(rng.uniform(0.13, 0.20))
    near = -0.20
    key = unit(np.array([rng.uniform(-0.8, 0.8), -0.8, rng.uniform(0.45, 1.0)]))
    warm = np.array([1.0, rng.uniform(0.93, 1.0), rng.uniform(0.82, 1.0)])
    strength = rng.uniform(0.55, 0.85)
    # Key, fill from the other side, and light from above: how interviews are lit.
    fill = unit(np.array([-key[0], -0.8, 0.2]))
    lights = np.array(
        [
            [*key, 0.25, *(warm * strength)],
            [*fill, 0.6, *(np.array([0.95, 0.98, 1.0]) * rng.uniform(0.20, 0.34))],
            [0.0, 0.0, 1.0, 1.0, *np.full(3, rng.uniform(0.36, 0.52))],
        ],
        np.float32,
    )
    return Scene(
        # 1.3 times the frame, so that the camera can pan without seeing an edge.
        backdrop=_backdrop(rng, int(width * 1.3), int(height * 1.3)),
        parts=[
            *_desk(rng, desk_height, near),
            *_microphones(rng, desk_height),
            *_mug(rng, desk_height),
        ],
        lights=lights,
        shadow=np.array([-np.sign(key[0]) * 2, 2, rng.uniform(0.25, 0.45)], np.float32),
        desk_height=desk_height,
        desk_near=near,
        grain=float(rng.uniform(1.0, 3.2)),
        tint=np.array([rng.uniform(0.94, 1.06), 1.0, rng.uniform(0.92, 1.08)], np.float32),
    )


def _backdrop(rng: np.random.Generator, width: int, height: int) -> NDArray[np.uint8]:
    """Paint a board of made-up logos, a curtain, a room or panels, out of focus."""
    # Painted at twice the size and averaged down: text and edges come out smooth.
    big = np.empty((height * 2, width * 2, 3), np.uint8)
    kind = rng.choice(4, p=[0.55, 0.15, 0.15, 0.15])
    base = np.clip(rng.uniform(20, 230) + rng.normal(0, 38, 3), 8, 245)
    big[:] = base
    # Mostly sponsor boards, as at press conferences; the other kinds keep a board from being all
    # that networks see behind a person.
    match int(kind):
        case 0:
            _logo_board(big, rng)
        case 1:
            wave = np.sin(np.arange(width * 2) * rng.uniform(0.05, 0.15)) * 0.22 + 0.8
            big[:] = np.clip(base * wave[None, :, None], 0, 255)
        case 2:
            _room(big, rng)
        case _:
            _panels(big, rng)
    slope = np.linspace(rng.uniform(0.75, 1.1), rng.uniform(0.75, 1.1), width * 2)
    big = np.clip(big * slope[None, :, None], 0, 255).astype(np.uint8)
    for _ in range(int(rng.choice(3, p=[0.7, 0.2, 0.1]))):
        _bystander(big, rng)
    small = cv2.resize(big, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), rng.uniform(0.6, 1.6)).astype(np.uint8)


def _logo_board(big: NDArray[np.uint8], rng: np.random.Generator) -> None:
    h, w = big.shape[:2]
    names = rng.choice(len(_NAMES), 5, replace=False)
    light = big.mean() < 120  # dark board, light letters
    inks = [rng.integers(150, 255, 3) if light else rng.integers(0, 110, 3) for _ in names]
    across, down = int(rng.uniform(110, 170)), int(rng.uniform(50, 80))
    checkered = rng.random() < 0.35
    second = np.clip(big[0, 0].astype(int) + rng.integers(-60, 60, 3), 0, 255)
    for j, y in enumerate(range(0, h, down)):
        for i, x in enumerate(range(-across // 2 * (j % 2), w, across)):
            k = (i + 2 * j) % len(names)
            if checkered and (i + j) % 2:
                cv2.rectangle(big, (x, y), (x + across, y + down), second.tolist(), -1)
            name = _NAMES[names[k]]
            font, ink = int(k % 4), inks[k].tolist()
            size = cv2.getTextSize(name, font, 0.95, 2)[0]
            origin = (x + (across - size[0]) // 2 + 8, y + (down + size[1]) // 2)
            cv2.putText(big, name, origin, font, 0.95, ink, 2, cv2.LINE_AA)
            if k % 2:
                cv2.circle(big, (x + 10, y + down // 2), 9, ink, 2 + 3 * (k % 3), cv2.LINE_AA)


def _room(big: NDArray[np.uint8], rng: np.random.Generator) -> None:
    h, w = big.shape[:2]
    for _ in range(int(rng.integers(5, 11))):
        x, y = int(rng.integers(0, w)), int(rng.integers(0, h))
        size = rng.integers(30, 220, 2)
        color = np.clip(rng.uniform(25, 225) + rng.normal(0, 25, 3), 8, 245).tolist()
        cv2.rectangle(big, (x, y), (x + int(size[0]), y + int(size[1])), color, -1)
    big[:] = cv2.GaussianBlur(big, (0, 0), 5)


def _bystander(big: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Paint somebody who stands behind, out of focus."""
    h, w = big.shape[:2]
    x, head = int(rng.uniform(0.05, 0.95) * w), int(rng.uniform(0.05, 0.075) * h)
    top = int(rng.uniform(0.12, 0.45) * h)
    layer = big.copy()
    cloth, skin = rng.uniform(15, 200, 3), rng.uniform(0.35, 1.0) * np.array([225, 180, 150])
    body = (x, top + 5 * head)
    cv2.ellipse(layer, body, (int(2.1 * head), 3 * head), 0, 0, 360, cloth.tolist(), -1)
    cv2.rectangle(layer, (x - 2 * head, body[1]), (x + 2 * head, h), cloth.tolist(), -1)
    cv2.ellipse(layer, (x, top + head), (int(0.78 * head), head), 0, 0, 360, skin.tolist(), -1)
    big[:] = cv2.GaussianBlur(layer, (0, 0), 0.25 * head)


def _panels(big: NDArray[np.uint8], rng: np.random.Generator) -> None:
    h, w = big.shape[:2]
    shades = rng.uniform(0.75, 1.2, 12)
    step = int(rng.integers(60, 140))
    base = big[0, 0].astype(float)
    for i, x in enumerate(range(0, w, step)):
        big[:, x : x + step] = np.clip(base * shades[i % 12], 0, 255)
        cv2.line(big, (x, 0), (x, h), np.clip(base * 0.5, 0, 255).tolist(), 2)


def _desk(rng: np.random.Generator, z: float, near: float) -> list[Part]:
    far = near - rng.uniform(0.36, 0.46)
    top = np.array([[-1.6, far, z], [1.6, far, z], [1.6, near, z], [-1.6, near, z]])
    front = np.array([[-1.6, far, -1], [1.6, far, -1], [1.6, far, z], [-1.6, far, z]])
    parts = []
    for corners, swatch in ((top, Swatch.DESK_TOP), (front, Swatch.DESK_FRONT)):
        rest, faces, _ = quad(corners, 9)
        parts.append(rigid(rest, faces, swatch.texel, STATIC_BONE, Group.ALWAYS))
    x = rng.choice([-1, 1]) * rng.uniform(0.28, 0.4)
    sheet = np.array([[-0.1, -0.14, 0], [0.1, -0.14, 0], [0.1, 0.1, 0], [-0.1, 0.1, 0]])
    sheet = sheet @ rotation([0, 0, 1], rng.uniform(-0.4, 0.4))[0].T
    rest, faces, _ = quad(sheet + [x, near - 0.2, z + 0.003], 3)
    # Decided last: with or without paper, what follows draws the same random values.
    if rng.random() < 0.5:
        parts.append(rigid(rest, faces, Swatch.PAPER.texel, STATIC_BONE, Group.ALWAYS))
    pen, faces = tube(
        np.array([[0, 0, 0.0], [0.05, 0.02, 0], [0.14, 0.056, 0]]) + [0.12, near - 0.16, z + 0.01],
        np.array([0.003, 0.005, 0.005]), 6,
    )  # fmt: skip
    both = np.concatenate([faces, faces[:, [0, 2, 1]]])
    parts.append(rigid(pen, both, Swatch.PEN.texel, STATIC_BONE, Group.PEN_ON_DESK))
    return parts


def _microphones(rng: np.random.Generator, z: float) -> list[Part]:
    parts = []
    for x in rng.uniform(-0.22, 0.22, int(rng.integers(0, 3))):
        foot = np.array([x * 1.6, -0.56, z])
        bend = foot + [0, 0.0, 0.10]
        tip = foot + [-0.3 * x, 0.10, rng.uniform(0.13, 0.17)]
        rest, faces = tube(np.stack([foot, bend, tip]), np.array([0.006, 0.005, 0.005]))
        both = np.concatenate([faces, faces[:, [0, 2, 1]]])
        parts.append(rigid(rest, both, Swatch.STEEL.texel, STATIC_BONE, Group.ALWAYS))
        ball, faces = ellipsoid(tip, np.array([0.021, 0.024, 0.021]))
        parts.append(rigid(ball, faces, Swatch.FOAM.texel, STATIC_BONE, Group.ALWAYS))
    return parts


def _mug(rng: np.random.Generator, z: float) -> list[Part]:
    if rng.random() < 0.35:
        return []
    x = rng.choice([-1, 1]) * rng.uniform(0.42, 0.58)
    tall, wide = (0.2, 0.032) if rng.random() < 0.5 else (0.1, 0.042)
    steps = np.array([[0, 0, 0.0], [0, 0, 0.6], [0, 0, 0.75], [0, 0, 1.0]]) * [1, 1, tall]
    radii = np.array([1, 1, 0.95, 0.9 if tall < 0.15 else 0.4]) * wide
    rest, faces = tube(steps + [x, -0.45, z], radii, 12)
    both = np.concatenate([faces, faces[:, [0, 2, 1]]])
    return [rigid(rest, both, Swatch.MUG.texel, STATIC_BONE, Group.ALWAYS)]


class Camera(NamedTuple):
    """Camera of every frame."""

    rows: NDArray[np.float32]
    """(T, 15): rotation rows right, down, forward; position; focal, center x, center y in px."""
    view: NDArray[np.float32]
    """(T, 3): the backdrop's zoom and shift for that camera."""


def build_camera(
    rng: np.random.Generator, num_frames: int, size: tuple[int, int], cuts: tuple[int, ...] = ()
) -> Camera:
    """Set up tripod cameras with slow operators: small pan, tilt and zoom.

    Args:
        rng: Random generator of the camera.
        num_frames: T.
        size: Width and height of the frame in px.
        cuts: Frames from which on another camera films, nearer or from another side.
    """
    width, height = size
    distance = rng.uniform(2.3, 3.2)
    azimuth, above = rng.uniform(-0.16, 0.16), rng.uniform(0.0, 0.16)
    frame_height = rng.uniform(0.90, 1.02)
    aside, parts = rng.uniform(-0.08, 0.08), []
    for start, stop in pairwise((0, *cuts, num_frames)):
        nearer = 1.0 if start == 0 else rng.uniform(0.78, 1.0)
        turned = azimuth if start == 0 else rng.uniform(-0.3, 0.3)
        lines = frame_height * nearer
        target = np.array([aside, -0.1, 0.96 - lines / 2])
        position = target + distance * np.array([np.sin(turned), -np.cos(turned), above])
        focal = height * np.linalg.norm(target - position) / lines
        lens = (float(focal), width, height)
        camera = tripod_camera(rng, stop - start, position, target, lens)
        parts.append(Camera(camera.rows, camera.view * [nearer, 1, 1]))
    return Camera(*(np.concatenate(rows).astype(np.float32) for rows in zip(*parts, strict=True)))


def tripod_camera(
    rng: np.random.Generator, num_frames: int, position: Array, target: Array,
    lens: tuple[float, int, int],
) -> Camera:  # fmt: skip
    """Set up a slow operator's camera at `position` (3,), turned to `target` (3,), both in meters.

    Args:
        rng: Random generator of the camera.
        num_frames: T.
        position: Place of the camera.
        target: Point in the middle of the frame.
        lens: Focal length, frame width and height in px.
    """
    focal, width, height = lens
    forward = unit(target - position)
    right = unit(np.cross(forward, [0.0, 0.0, 1.0]))
    roll = rotation(forward, rng.normal(0, 0.008))[0]
    right = roll @ right
    down = np.cross(forward, right)
    slow = smooth_noise(rng, num_frames, 60, 3)
    shake = smooth_noise(rng, num_frames, 9, 3)
    amount = rng.uniform(0.2, 1.0)
    # Pan and tilt are so small that shifting the picture stands for turning the camera; amounts are
    # px in a frame of 180 lines, and a share of the focal length.
    move = amount * (slow * [3.0, 2.0, 0.010] + shake * [0.25, 0.25, 0.0006]) * (height / 180)
    move[:, 2] *= 180 / height  # the zoom is a ratio and needs no scaling: take it back
    rows = np.empty((num_frames, 15), np.float32)
    rows[:, :12] = np.concatenate([right, down, forward, position])
    rows[:, 12] = focal * (1 + move[:, 2])
    rows[:, 13] = width / 2 + move[:, 0]
    rows[:, 14] = height / 2 + move[:, 1]
    # The backdrop is a picture without depth: it zooms and shifts as the camera does.
    view = np.stack([1 / (1 + move[:, 2]), -move[:, 0], -move[:, 1]], 1)
    return Camera(rows, view.astype(np.float32))


def project(camera_row: Array, points: Array) -> Array:
    """Project world points (..., 3) to frame x, y in px and depth in meters (..., 3)."""
    turned = (points - camera_row[9:12]) @ camera_row[:9].reshape(3, 3).T
    depth = turned[..., 2]
    scale = camera_row[12] / depth
    x = camera_row[13] + scale * turned[..., 0]
    y = camera_row[14] + scale * turned[..., 1]
    return np.stack([x, y, depth], -1)
