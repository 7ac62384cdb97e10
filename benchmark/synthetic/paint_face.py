"""Paint the HEAD panel: skin, lips, eyes, brows, beard, hair, cap.

Points are texels of the panel; `face` is (70, 2), OpenPose's face points.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.synthetic import atlas as at
from benchmark.synthetic.appearance import Appearance, Beard, Hair
from benchmark.synthetic.assets import Body, read_rig
from benchmark.synthetic.atlas import HeadMap, Panel
from benchmark.synthetic.brushes import fill, line, mix, texel

Atlas = NDArray[np.uint8]


def paint_head(
    texture: Atlas, body: Body, appearance: Appearance, rng: np.random.Generator
) -> None:
    """Paint the HEAD panel of an atlas.

    Args:
        texture: (HEIGHT, WIDTH, 3) atlas to paint into.
        body: The person's body.
        appearance: The person's colors and cuts.
        rng: Random generator of the cloth and hair.
    """
    head = HeadMap.of(body)
    rig = read_rig()
    # Features follow the body's own 70 face points, so that they sit right on every build.
    face = head.texels(body.rest[rig.face70])
    view = np.ascontiguousarray(Panel.HEAD.view(texture))
    _paint_skin(view, face, appearance)
    _paint_beard(view, face, appearance)
    _paint_features(view, face, appearance)
    scalp = scalp_mask(body, appearance, view.shape[:2])
    hair = np.clip(
        appearance.hair_color * (1 + 0.18 * _streaks(rng, view.shape[:2]))[..., None], 0, 255
    )
    strength = (0.5 if appearance.hair is Hair.SHAVED else 1.0) * scalp[..., None]
    view[:] = (view * (1 - strength) + hair * strength).astype(np.uint8)
    if appearance.cap:
        cap = cap_mask(body, view.shape[:2])[..., None]
        view[:] = (view * (1 - cap) + appearance.cap_color * cap).astype(np.uint8)
    # The panel is a cylinder cut open at the back: both ends repeat what is round the corner, for
    # triangles over the seam.
    view[:, : at.WRAP] = view[:, at.HEAD_PX : at.HEAD_PX + at.WRAP]
    view[:, at.HEAD_PX + at.WRAP :] = view[:, at.WRAP : 2 * at.WRAP]
    Panel.HEAD.view(texture)[:] = view


def _paint_skin(view: NDArray, face: NDArray, appearance: Appearance) -> None:
    """Paint cheeks, eye sockets and the side of the nose."""
    soft = view.copy()
    red = mix(appearance.skin, (200, 90, 80), 0.28)
    dark = mix(appearance.skin, (60, 30, 25), 0.3)
    for eye, cheek in (((36, 42), (2, 31)), ((42, 48), (14, 35))):
        center = (face[cheek[0]] + face[cheek[1]]) / 2
        cv2.ellipse(soft, texel(center), (9, 7), 0, 0, 360, red, -1)
        socket = face[eye[0] : eye[1]].mean(0)
        cv2.ellipse(soft, texel(socket), (11, 7), 0, 0, 360, dark, -1)
    cv2.ellipse(soft, texel(face[33] + [0, 2]), (5, 2), 0, 0, 360, dark, -1)
    view[:] = cv2.GaussianBlur(soft, (0, 0), 3.0)
    for nostril in (32, 34):
        cv2.circle(view, texel(face[nostril]), 1, mix(appearance.skin, (30, 10, 10), 0.6), -1)


def _paint_beard(view: NDArray, face: NDArray, appearance: Appearance) -> None:
    if appearance.beard is Beard.NONE:
        return
    full = np.zeros(view.shape[:2], np.float32)
    if appearance.beard is not Beard.MUSTACHE:
        jaw = np.concatenate([face[1:16], face[[15, 54, 33, 48, 1]]])
        jaw[3:12, 1] += 26  # a beard goes on under the chin, where no face point is
        fill(full, jaw, 1.0)
    upper = np.concatenate([face[48:55], face[[35, 33, 31]]])
    fill(full, upper, 1.0)
    full = cv2.GaussianBlur(full, (0, 0), 2.0)
    amount = 0.35 if appearance.beard is Beard.STUBBLE else 0.85
    weight = (full * amount)[..., None]
    view[:] = (view * (1 - weight) + np.asarray(appearance.hair_color) * weight).astype(np.uint8)


def _paint_features(view: NDArray, face: NDArray, appearance: Appearance) -> None:
    """Paint lips, brows, lids and glasses."""
    lip = mix(appearance.skin, (150, 40, 45), 0.5)
    fill(view, face[48:60], lip)
    seam = np.concatenate([face[[48]], face[61:64], face[[54]]])
    line(view, seam, mix(appearance.skin, (50, 10, 12), 0.8), 1)
    brow = mix(appearance.hair_color, appearance.skin, 0.12)
    for first in (17, 22):
        line(view, face[first : first + 5] - [0, 1], brow, 4)
    lash = mix(appearance.skin, (15, 8, 8), 0.85)
    for first in (36, 42):
        ring = face[first : first + 6]
        line(view, ring, mix(appearance.skin, (30, 15, 15), 0.5), 1, closed=True)
        line(view, ring[:4], lash, 2)
    if appearance.glasses:
        frame = mix(appearance.skin, (20, 18, 18), 0.8)
        for first in (36, 42):
            center = face[first : first + 6].mean(0)
            cv2.ellipse(view, texel(center), (16, 12), 0, 0, 360, frame, 1, cv2.LINE_AA)
        line(view, np.stack([face[39], face[42]]), frame, 1)


def scalp_mask(body: Body, appearance: Appearance, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Compute a mask of the HEAD panel: 1 where hair grows."""
    angle, z, brow, ear = _head_axes(body, shape)
    front = brow + appearance.hairline
    side = brow - 0.015
    back = ear - 0.055
    # The hairline in the unrolled head: high in front, falling over the temples, sideburns before
    # the ears, low at the back; angle 0 is the nose.
    t = np.clip((np.abs(angle) - 0.55) / 0.75, 0, 1)
    edge = front + (side - front) * t**2
    burns = np.where(np.abs(angle) > 1.25, ear - 0.005, edge)
    s = np.clip((np.abs(angle) - 1.75) / 0.5, 0, 1)
    edge = np.minimum(edge, burns) * (1 - s) + back * s
    if appearance.hair is Hair.LONG or appearance.hair is Hair.BOB:
        edge = np.where(np.abs(angle) > 1.15, edge - 0.03, edge)
    return cv2.GaussianBlur((z > edge).astype(np.float32), (0, 0), 1.6).astype(np.float32)


def cap_mask(body: Body, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Compute a mask of the HEAD panel: 1 under a cap."""
    angle, z, brow, _ = _head_axes(body, shape)
    return (z > brow + 0.032 - 0.012 * (1 - np.cos(angle))).astype(np.float32)


def _head_axes(body: Body, shape: tuple[int, int]) -> tuple[NDArray, NDArray, float, float]:
    """Compute angle and height (meters) of each texel, and the heights of brows and ears."""
    head, rig = HeadMap.of(body), read_rig()
    h, w = shape
    angle = ((np.arange(w) - at.WRAP) / at.HEAD_PX - 0.5) * 2 * np.pi
    z = head.top - np.arange(h) / (at.HEAD_PX - 1) * (head.top - head.bottom)
    brow = float(body.rest[rig.face70[17:27], 2].mean())
    ear = float(body.rest[list(rig.ears), 2].mean())
    return np.broadcast_to(angle, (h, w)), np.broadcast_to(z[:, None], (h, w)), brow, ear


def _streaks(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray:
    noise = rng.standard_normal((shape[0] // 8 + 1, shape[1])).astype(np.float32)
    return np.clip(cv2.resize(noise, (shape[1], shape[0])), -2, 2)
