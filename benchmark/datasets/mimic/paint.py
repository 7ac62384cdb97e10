"""Paint a person's atlas: face, hair, clothes; and the mask of what is cloth.

All coordinates given to cv2 are texels of one panel. Colours are RGB.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.mimic import atlas as at
from benchmark.datasets.mimic.assets import Body, read_rig
from benchmark.datasets.mimic.atlas import HeadMap, Panel, Swatch, torso_texels
from benchmark.datasets.mimic.look import Beard, Colour, Garment, Hair, Look

Atlas = NDArray[np.uint8]


def paint(body: Body, look: Look, rng: np.random.Generator) -> tuple[Atlas, Atlas]:
    """The atlas (HEIGHT, WIDTH, 3) uint8 and its cloth mask (HEIGHT, WIDTH), 255 on cloth."""
    texture = np.full((at.HEIGHT, at.WIDTH, 3), look.skin, np.uint8)
    mask = np.zeros((at.HEIGHT, at.WIDTH), np.uint8)
    _paint_head(texture, mask, body, look, rng)
    _paint_torso(texture, mask, body, look, rng)
    _paint_arms(texture, mask, look)
    _paint_eye(Panel.EYE.view(texture), look)
    _paint_swatches(texture, look, rng)
    return texture, mask


def _mix(a: Colour, b: tuple[float, float, float] | Colour, weight: float) -> tuple[int, int, int]:
    mixed = np.asarray(a, float) * (1 - weight) + np.asarray(b, float) * weight
    return tuple(int(c) for c in mixed)  # pyright: ignore[reportReturnType]


def _ints(points: NDArray) -> NDArray[np.int32]:
    return np.round(points * 8).astype(np.int32)


def _fill(view: NDArray, points: NDArray, colour) -> None:
    cv2.fillPoly(view, [_ints(points)], colour, cv2.LINE_AA, 3)


def _line(view: NDArray, points: NDArray, colour, width: int, *, closed: bool = False) -> None:
    cv2.polylines(view, [_ints(points)], closed, colour, width, cv2.LINE_AA, 3)


def _paint_head(
    texture: Atlas, mask: Atlas, body: Body, look: Look, rng: np.random.Generator
) -> None:
    head = HeadMap.of(body)
    rig = read_rig()
    face = head.texels(body.rest[rig.face70])
    view = np.ascontiguousarray(Panel.HEAD.view(texture))
    _paint_skin(view, face, look)
    _paint_beard(view, face, look)
    _paint_features(view, face, look)
    scalp = scalp_mask(body, look, view.shape[:2])
    hair = np.clip(look.hair_colour * (1 + 0.18 * _streaks(rng, view.shape[:2]))[..., None], 0, 255)
    strength = (0.5 if look.hair is Hair.SHAVED else 1.0) * scalp[..., None]
    view[:] = (view * (1 - strength) + hair * strength).astype(np.uint8)
    if look.cap:
        cap = cap_mask(body, view.shape[:2])[..., None]
        view[:] = (view * (1 - cap) + look.cap_colour * cap).astype(np.uint8)
    view[:, : at.WRAP] = view[:, at.HEAD_PX : at.HEAD_PX + at.WRAP]
    view[:, at.HEAD_PX + at.WRAP :] = view[:, at.WRAP : 2 * at.WRAP]
    Panel.HEAD.view(texture)[:] = view


def _paint_skin(view: NDArray, face: NDArray, look: Look) -> None:
    """Cheeks, sockets and the side of the nose."""
    soft = view.copy()
    red = _mix(look.skin, (200, 90, 80), 0.28)
    dark = _mix(look.skin, (60, 30, 25), 0.3)
    for eye, cheek in (((36, 42), (2, 31)), ((42, 48), (14, 35))):
        centre = (face[cheek[0]] + face[cheek[1]]) / 2
        cv2.ellipse(soft, _centre(centre), (9, 7), 0, 0, 360, red, -1)
        socket = face[eye[0] : eye[1]].mean(0)
        cv2.ellipse(soft, _centre(socket), (11, 7), 0, 0, 360, dark, -1)
    cv2.ellipse(soft, _centre(face[33] + [0, 2]), (5, 2), 0, 0, 360, dark, -1)
    view[:] = cv2.GaussianBlur(soft, (0, 0), 3.0)
    for nostril in (32, 34):
        cv2.circle(view, _centre(face[nostril]), 1, _mix(look.skin, (30, 10, 10), 0.6), -1)


def _paint_beard(view: NDArray, face: NDArray, look: Look) -> None:
    if look.beard is Beard.NONE:
        return
    full = np.zeros(view.shape[:2], np.float32)
    if look.beard is not Beard.MOUSTACHE:
        jaw = np.concatenate([face[1:16], face[[15, 54, 33, 48, 1]]])
        jaw[3:12, 1] += 26
        _fill(full, jaw, 1.0)
    upper = np.concatenate([face[48:55], face[[35, 33, 31]]])
    _fill(full, upper, 1.0)
    full = cv2.GaussianBlur(full, (0, 0), 2.0)
    amount = 0.35 if look.beard is Beard.STUBBLE else 0.85
    weight = (full * amount)[..., None]
    view[:] = (view * (1 - weight) + np.asarray(look.hair_colour) * weight).astype(np.uint8)


def _paint_features(view: NDArray, face: NDArray, look: Look) -> None:
    """Lips, brows, lids, spectacles."""
    lip = _mix(look.skin, (150, 40, 45), 0.5)
    _fill(view, face[48:60], lip)
    line = np.concatenate([face[[48]], face[61:64], face[[54]]])
    _line(view, line, _mix(look.skin, (50, 10, 12), 0.8), 1)
    brow = _mix(look.hair_colour, look.skin, 0.12)
    for first in (17, 22):
        _line(view, face[first : first + 5] - [0, 1], brow, 4)
    lash = _mix(look.skin, (15, 8, 8), 0.85)
    for first in (36, 42):
        ring = face[first : first + 6]
        _line(view, ring, _mix(look.skin, (30, 15, 15), 0.5), 1, closed=True)
        _line(view, ring[:4], lash, 2)
    if look.glasses:
        frame = _mix(look.skin, (20, 18, 18), 0.8)
        for first in (36, 42):
            centre = face[first : first + 6].mean(0)
            cv2.ellipse(view, _centre(centre), (16, 12), 0, 0, 360, frame, 1, cv2.LINE_AA)
        _line(view, np.stack([face[39], face[42]]), frame, 1)


def _centre(point: NDArray) -> tuple[int, int]:
    return int(round(point[0])), int(round(point[1]))


def scalp_mask(body: Body, look: Look, shape: tuple[int, int]) -> NDArray[np.float32]:
    """1 where hair grows, in the HEAD panel."""
    angle, z, brow, ear = _head_axes(body, shape)
    front = brow + look.hairline
    side = brow - 0.015
    back = ear - 0.055
    t = np.clip((np.abs(angle) - 0.55) / 0.75, 0, 1)
    line = front + (side - front) * t**2
    burns = np.where(np.abs(angle) > 1.25, ear - 0.005, line)
    s = np.clip((np.abs(angle) - 1.75) / 0.5, 0, 1)
    line = np.minimum(line, burns) * (1 - s) + back * s
    if look.hair is Hair.LONG or look.hair is Hair.BOB:
        line = np.where(np.abs(angle) > 1.15, line - 0.03, line)
    return cv2.GaussianBlur((z > line).astype(np.float32), (0, 0), 1.6)


def cap_mask(body: Body, shape: tuple[int, int]) -> NDArray[np.float32]:
    """1 under a cap, in the HEAD panel."""
    angle, z, brow, _ = _head_axes(body, shape)
    return (z > brow + 0.032 - 0.012 * (1 - np.cos(angle))).astype(np.float32)


def _head_axes(body: Body, shape: tuple[int, int]) -> tuple[NDArray, NDArray, float, float]:
    """Angle and height (metres) of each texel; heights of brows and ears."""
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


def _paint_torso(
    texture: Atlas, mask: Atlas, body: Body, look: Look, rng: np.random.Generator
) -> None:
    rig = read_rig()
    notch = body.rest[rig.nearest((0.0, -0.08, 0.525))]
    origin = torso_texels(notch)
    for panel in (Panel.FRONT, Panel.BACK):
        view = np.ascontiguousarray(panel.view(texture))
        cloth = np.zeros(view.shape[:2], np.uint8)
        scene = view.copy()
        _paint_cloth(scene, look, rng)
        if panel is Panel.FRONT:
            _paint_front(scene, origin, look)
        _neckline(cloth, origin, look, back=panel is Panel.BACK)
        weight = cloth[..., None] / 255.0
        view[:] = (view * (1 - weight) + scene * weight).astype(np.uint8)
        if panel is Panel.FRONT:
            _paint_collar(view, cloth, origin, look)
        panel.view(texture)[:] = view
        panel.view(mask)[:] = cloth


def _paint_cloth(view: NDArray, look: Look, rng: np.random.Generator) -> None:
    h, w = view.shape[:2]
    view[:] = look.cloth
    if look.garment in (Garment.TEE, Garment.SHIRT, Garment.SWEATER, Garment.POLO):
        gap = 14 if look.garment is Garment.SHIRT else 34
        width = 2 if look.garment is Garment.SHIRT else 13
        if look.stripes in (1, 3):
            for y in range(60, h, gap):
                view[y : y + width] = look.second
        if look.stripes in (2, 3):
            for x in range(8, w, gap):
                view[:, x : x + width] = look.second
    folds = cv2.GaussianBlur(rng.standard_normal((h, w)).astype(np.float32), (0, 0), 9) * 3.2
    view[:] = np.clip(view * (1 + 0.14 * np.clip(folds, -1.5, 1.5))[..., None], 0, 255)


def _paint_front(view: NDArray, origin: NDArray, look: Look) -> None:
    """Lapels, tie, buttons, zip, logos: everything below the neckline. Texels from the notch."""

    def at_notch(*points: tuple[float, float]) -> NDArray:
        return np.array(points, float) + origin

    dark = _mix(look.cloth, (0, 0, 0), 0.45)
    match look.garment:
        case Garment.SUIT:
            _fill(
                view, at_notch((-42, -40), (42, -40), (0, 125)), _mix(look.second, look.second, 0)
            )
            if look.tie:
                _paint_tie(view, at_notch, look)
            for s in (-1, 1):
                lapel = at_notch((s * 40, -38), (s * 62, 25), (s * 48, 32), (s * 54, 42), (0, 130))
                _fill(view, lapel, _mix(look.cloth, (255, 255, 255), 0.07))
                _line(view, lapel, dark, 2)
            _line(view, at_notch((0, 128), (3, 330)), dark, 2)
            for y in (150, 195):
                cv2.circle(
                    view, _centre(at_notch((-5, y))[0]), 3, _mix(look.cloth, (0, 0, 0), 0.7), -1
                )
        case Garment.SHIRT:
            _line(view, at_notch((4, 0), (4, 330)), dark, 1)
            for y in range(18, 320, 36):
                cv2.circle(view, _centre(at_notch((0, y))[0]), 2, dark, -1)
            if look.tie:
                _paint_tie(view, at_notch, look)
        case Garment.POLO:
            _line(view, at_notch((0, 0), (0, 62)), dark, 2)
            _badge(view, at_notch((55, 70))[0], look)
        case Garment.TEE:
            _chest_print(view, at_notch((0, 105))[0], look)
        case Garment.TRACK_JACKET:
            _line(view, at_notch((0, -30), (0, 330)), _mix(look.second, (90, 90, 90), 0.5), 3)
            for s in (-1, 1):
                _fill(
                    view,
                    at_notch((s * 48, -60), (s * 120, 18), (s * 120, 40), (s * 44, -26)),
                    look.second.tolist(),
                )
                _badge(view, at_notch((s * 58, 62))[0], look)
            _chest_print(view, at_notch((0, 125))[0], look)
        case Garment.SWEATER:
            _line(view, at_notch((-40, -12), (0, 14), (40, -12)), dark, 4)


def _paint_tie(view: NDArray, at_notch, look: Look) -> None:
    tie = at_notch((-8, -6), (8, -6), (6, 12), (17, 150), (0, 170), (-17, 150), (-6, 12))
    _fill(view, tie, look.accent.tolist())
    shade = _mix(look.accent, (0, 0, 0), 0.4)
    _line(view, at_notch((-7, 12), (7, 12)), shade, 2)
    if look.stripes > 0:
        for y in range(30, 140, 18):
            _line(view, at_notch((-14, y + 14), (14, y)), look.second.tolist(), 3)
    _line(view, tie, shade, 1, closed=True)


def _badge(view: NDArray, centre: NDArray, look: Look) -> None:
    x, y = _centre(centre)
    cv2.ellipse(view, (x, y), (12, 9), 0, 0, 360, look.accent.tolist(), -1, cv2.LINE_AA)
    cv2.line(view, (x - 7, y), (x + 7, y), (240, 240, 240), 2, cv2.LINE_AA)


def _chest_print(view: NDArray, centre: NDArray, look: Look) -> None:
    x, y = _centre(centre)
    colour = look.accent.tolist()
    match look.stripes:
        case 0:
            cv2.rectangle(view, (x - 58, y - 12), (x + 58, y + 14), colour, -1)
            cv2.putText(view, "TORVIK", (x - 52, y + 9), 0, 0.8, (245, 245, 245), 2, cv2.LINE_AA)
        case 1:
            cv2.circle(view, (x, y), 34, colour, -1, cv2.LINE_AA)
            cv2.circle(view, (x, y), 20, look.cloth.tolist(), 5, cv2.LINE_AA)
        case 2:
            cv2.putText(view, "17", (x - 44, y + 30), 0, 2.2, colour, 9, cv2.LINE_AA)
        case _:
            points = np.array([[x - 50, y + 16], [x, y - 34], [x + 50, y + 16], [x, y]])
            cv2.fillPoly(view, [points], colour, cv2.LINE_AA)


def _neckline(cloth: NDArray, origin: NDArray, look: Look, *, back: bool) -> None:
    """255 on cloth: everything but an opening at the neck."""
    cloth[:] = 255
    x = np.linspace(-42, 42, 29)
    depth = {Garment.TEE: -6.0, Garment.SWEATER: -12.0, Garment.TRACK_JACKET: -14.0}
    low = depth.get(look.garment, 4.0)
    opening = -24.0 if back else low - (x / 42) ** 2 * (28 + low)
    if not back and look.garment in (Garment.SHIRT, Garment.POLO) and not look.tie:
        opening = np.minimum(opening + 30 * np.clip(1 - np.abs(x) / 16, 0, 1), 34)
    curve = np.stack([x, np.broadcast_to(opening, x.shape)], 1) + origin
    ends = np.array([[42, -160], [-42, -160]]) + origin
    _fill(cloth, np.concatenate([curve, ends]), 0)


def _paint_collar(view: NDArray, cloth: NDArray, origin: NDArray, look: Look) -> None:
    """Collar leaves stand on the neck, so they are cloth too."""
    match look.garment:
        case Garment.SUIT:
            colour = look.second.tolist()
        case Garment.SHIRT | Garment.POLO:
            colour = _mix(look.cloth, (255, 255, 255), 0.18)
        case Garment.TRACK_JACKET:
            colour = _mix(look.cloth, (0, 0, 0), 0.2)
        case Garment.TEE | Garment.SWEATER:
            return
    edge = _mix(np.array(colour), (0, 0, 0), 0.45)
    for s in (-1, 1):
        leaf = np.array([(s * 2, 2), (s * 26, 20), (s * 46, -22), (s * 44, -46), (s * 30, -34)])
        _fill(view, leaf + origin, colour)
        _line(view, leaf + origin, edge, 2, closed=True)
        _fill(cloth, leaf + origin, 255)


def _paint_arms(texture: Atlas, mask: Atlas, look: Look) -> None:
    end = 212 if look.long_sleeves else 62
    for panel in (Panel.ARM_LEFT, Panel.ARM_RIGHT):
        view, cloth = panel.view(texture), panel.view(mask)
        view[:end], cloth[:end] = look.cloth, 255
        if look.stripes in (1, 3) and look.garment in (Garment.TEE, Garment.SWEATER, Garment.SHIRT):
            for y in range(4, end, 20):
                view[y : y + 8] = look.second
        if look.garment is Garment.TRACK_JACKET:
            view[:end, 18:30] = look.second
            view[:end, 98:110] = look.second
        if look.garment is Garment.SUIT:
            view[end : end + 7], cloth[end : end + 7] = look.second, 255
        view[end - 4 : end] = (view[end - 4 : end] * 0.6).astype(np.uint8)
    if look.watch:
        Panel.ARM_LEFT.view(texture)[216:227] = (22, 22, 24)


def _paint_eye(view: NDArray, look: Look) -> None:
    h, w = view.shape[:2]
    view[:] = (232, 228, 224)
    centre = (w // 2, h // 2)
    cv2.circle(view, centre, 11, look.iris.tolist(), -1, cv2.LINE_AA)
    cv2.circle(view, centre, 5, (8, 6, 6), -1, cv2.LINE_AA)
    cv2.circle(view, (centre[0] - 3, centre[1] - 4), 2, (255, 255, 255), -1, cv2.LINE_AA)


def _paint_swatches(texture: Atlas, look: Look, rng: np.random.Generator) -> None:
    wood = np.array([(196, 160, 120), (120, 84, 56), (60, 60, 66), (225, 225, 222), (40, 52, 84)])
    top = wood[rng.integers(len(wood))]
    colours = {
        Swatch.SKIN: np.asarray(look.skin),
        Swatch.TONGUE: np.array((120, 50, 50)),
        Swatch.HAIR: np.asarray(look.hair_colour),
        Swatch.CAP: np.asarray(look.cap_colour),
        Swatch.CAP_EDGE: np.asarray(look.cap_colour) * 0.7,
        Swatch.DESK_TOP: top,
        Swatch.DESK_FRONT: top * 0.75,
        Swatch.PEN: np.asarray((20, 24, 60) if rng.random() < 0.5 else (170, 30, 30)),
        Swatch.MUG: rng.integers(40, 250, 3),
        Swatch.STEEL: np.array((70, 70, 74)),
        Swatch.FOAM: rng.integers(15, 60, 3),
        Swatch.PAPER: np.array((238, 238, 232)),
        Swatch.NAIL: np.array(_mix(look.skin, (235, 170, 160), 0.5)),
    }
    for swatch, colour in colours.items():
        swatch.paint(texture, np.clip(colour, 0, 255).astype(np.uint8))
