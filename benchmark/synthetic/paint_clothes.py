"""Paint the torso and arm panels, and mark in a mask what of them is cloth.

Points are texels from the suprasternal notch, x to the person's left, y down.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.synthetic.appearance import Appearance, Garment
from benchmark.synthetic.assets import Body, read_rig
from benchmark.synthetic.atlas import Panel, torso_texels
from benchmark.synthetic.brushes import Paint, fill, line, mix, texel

Atlas = NDArray[np.uint8]


def paint_torso(
    texture: Atlas, mask: Atlas, body: Body, appearance: Appearance, rng: np.random.Generator
) -> None:
    """Paint FRONT and BACK of an atlas and its mask.

    Args:
        texture: (HEIGHT, WIDTH, 3) atlas to paint into.
        mask: (HEIGHT, WIDTH), 255 on cloth, to paint into.
        body: The person's body.
        appearance: The person's clothes.
        rng: Random generator of the cloth and hair.
    """
    rig = read_rig()
    notch = body.rest[rig.nearest((0.0, -0.08, 0.525))]
    origin = torso_texels(notch)
    for panel in (Panel.FRONT, Panel.BACK):
        view = np.ascontiguousarray(panel.view(texture))
        cloth = np.zeros(view.shape[:2], np.uint8)
        scene = view.copy()
        _paint_cloth(scene, appearance, rng)
        if panel is Panel.FRONT:
            _paint_front(scene, origin, appearance)
        _neckline(cloth, origin, appearance, back=panel is Panel.BACK)
        weight = cloth[..., None] / 255.0
        view[:] = (view * (1 - weight) + scene * weight).astype(np.uint8)
        if panel is Panel.FRONT:
            _paint_collar(view, cloth, origin, appearance)
        panel.view(texture)[:] = view
        panel.view(mask)[:] = cloth


def _paint_cloth(view: NDArray, appearance: Appearance, rng: np.random.Generator) -> None:
    h, w = view.shape[:2]
    view[:] = appearance.cloth
    if appearance.garment in (Garment.TEE, Garment.SHIRT, Garment.SWEATER, Garment.POLO):
        gap = 14 if appearance.garment is Garment.SHIRT else 34
        width = 2 if appearance.garment is Garment.SHIRT else 13
        if appearance.stripes in (1, 3):
            for y in range(60, h, gap):
                view[y : y + width] = appearance.second
        if appearance.stripes in (2, 3):
            for x in range(8, w, gap):
                view[:, x : x + width] = appearance.second
    # Blurred noise: light and dark patches of the size of folds.
    folds = cv2.GaussianBlur(rng.standard_normal((h, w)).astype(np.float32), (0, 0), 9) * 3.2
    view[:] = np.clip(view * (1 + 0.14 * np.clip(folds, -1.5, 1.5))[..., None], 0, 255)


def _paint_front(view: NDArray, origin: NDArray, appearance: Appearance) -> None:
    """Paint what lies below the neckline: lapels, tie, buttons, zip, logos."""
    front = _Front(view, origin, appearance)
    match appearance.garment:
        case Garment.SUIT:
            front.suit()
        case Garment.SHIRT:
            front.shirt()
        case Garment.POLO:
            front.stroke(appearance.dark, 2, (0, 0), (0, 62))
            front.badge(55, 70)
        case Garment.TEE:
            front.chest_print(105)
        case Garment.TRACK_JACKET:
            front.track_jacket()
        case Garment.SWEATER:
            front.stroke(appearance.dark, 4, (-40, -12), (0, 14), (40, -12))


class _Front(NamedTuple):
    """The FRONT panel with its origin at the notch."""

    view: NDArray
    origin: NDArray
    appearance: Appearance

    def at(self, *points: tuple[float, float]) -> NDArray:
        return np.array(points, float) + self.origin

    def stroke(self, color: Paint, width: int, *points: tuple[float, float]) -> None:
        line(self.view, self.at(*points), color, width)

    def dot(self, x: float, y: float, radius: int) -> None:
        cv2.circle(self.view, texel(self.at((x, y))[0]), radius, self.appearance.dark, -1)

    def suit(self) -> None:
        fill(self.view, self.at((-42, -40), (42, -40), (0, 125)), self.appearance.second.tolist())
        if self.appearance.tie:
            self.tie()
        for s in (-1, 1):
            lapel = self.at((s * 40, -38), (s * 62, 25), (s * 48, 32), (s * 54, 42), (0, 130))
            fill(self.view, lapel, mix(self.appearance.cloth, (255, 255, 255), 0.07))
            line(self.view, lapel, self.appearance.dark, 2)
        self.stroke(self.appearance.dark, 2, (0, 128), (3, 330))
        for y in (150, 195):
            self.dot(-5, y, 3)

    def shirt(self) -> None:
        self.stroke(self.appearance.dark, 1, (4, 0), (4, 330))
        for y in range(18, 320, 36):
            self.dot(0, y, 2)
        if self.appearance.tie:
            self.tie()

    def track_jacket(self) -> None:
        self.stroke(mix(self.appearance.second, (90, 90, 90), 0.5), 3, (0, -30), (0, 330))
        for s in (-1, 1):
            yoke = self.at((s * 48, -60), (s * 120, 18), (s * 120, 40), (s * 44, -26))
            fill(self.view, yoke, self.appearance.second.tolist())
            self.badge(s * 58, 62)
        self.chest_print(125)

    def tie(self) -> None:
        tie = self.at((-8, -6), (8, -6), (6, 12), (17, 150), (0, 170), (-17, 150), (-6, 12))
        fill(self.view, tie, self.appearance.accent.tolist())
        shade = mix(self.appearance.accent, (0, 0, 0), 0.4)
        self.stroke(shade, 2, (-7, 12), (7, 12))
        if self.appearance.stripes > 0:
            for y in range(30, 140, 18):
                self.stroke(self.appearance.second.tolist(), 3, (-14, y + 14), (14, y))
        line(self.view, tie, shade, 1, closed=True)

    def badge(self, x: float, y: float) -> None:
        u, v = texel(self.at((x, y))[0])
        accent = self.appearance.accent.tolist()
        cv2.ellipse(self.view, (u, v), (12, 9), 0, 0, 360, accent, -1, cv2.LINE_AA)
        cv2.line(self.view, (u - 7, v), (u + 7, v), (240, 240, 240), 2, cv2.LINE_AA)

    def chest_print(self, y: float) -> None:
        u, v = texel(self.at((0, y))[0])
        color = self.appearance.accent.tolist()
        match self.appearance.stripes:
            case 0:
                cv2.rectangle(self.view, (u - 58, v - 12), (u + 58, v + 14), color, -1)
                name, ink = self.appearance.sponsor, (245, 245, 245)
                cv2.putText(self.view, name, (u - 50, v + 9), 0, 0.8, ink, 2, cv2.LINE_AA)
            case 1:
                cv2.circle(self.view, (u, v), 34, color, -1, cv2.LINE_AA)
                cv2.circle(self.view, (u, v), 20, self.appearance.cloth.tolist(), 5, cv2.LINE_AA)
            case 2:
                text = str(self.appearance.number)
                cv2.putText(self.view, text, (u - 44, v + 30), 0, 2.2, color, 9, cv2.LINE_AA)
            case _:
                chevron = np.array([[u - 50, v + 16], [u, v - 34], [u + 50, v + 16], [u, v]])
                cv2.fillPoly(self.view, [chevron], color, cv2.LINE_AA)


def _neckline(cloth: NDArray, origin: NDArray, appearance: Appearance, *, back: bool) -> None:
    """Mark cloth: everything but an opening at the neck.

    Args:
        cloth: (h, w) mask of a panel, to paint into.
        origin: (2,) texel of the notch.
        appearance: The person's clothes.
        back: Whether the panel is BACK.
    """
    cloth[:] = 255
    x = np.linspace(-42, 42, 29)
    depth = {Garment.TEE: -6.0, Garment.SWEATER: -12.0, Garment.TRACK_JACKET: -14.0}
    low = depth.get(appearance.garment, 4.0)
    opening = -24.0 if back else low - (x / 42) ** 2 * (28 + low)
    if not back and appearance.garment in (Garment.SHIRT, Garment.POLO) and not appearance.tie:
        opening = np.minimum(opening + 30 * np.clip(1 - np.abs(x) / 16, 0, 1), 34)
    curve = np.stack([x, np.broadcast_to(opening, x.shape)], 1) + origin
    ends = np.array([[42, -160], [-42, -160]]) + origin
    fill(cloth, np.concatenate([curve, ends]), 0)


def _paint_collar(view: NDArray, cloth: NDArray, origin: NDArray, appearance: Appearance) -> None:
    """Paint collar leaves; they stand on the neck, so they are cloth too.

    Args:
        view: (h, w, 3) panel to paint into.
        cloth: (h, w) mask of the panel, to paint into.
        origin: (2,) texel of the notch.
        appearance: The person's clothes.
    """
    match appearance.garment:
        case Garment.SUIT:
            color = appearance.second.tolist()
        case Garment.SHIRT | Garment.POLO:
            color = mix(appearance.cloth, (255, 255, 255), 0.18)
        case Garment.TRACK_JACKET:
            color = mix(appearance.cloth, (0, 0, 0), 0.2)
        case Garment.TEE | Garment.SWEATER:
            return
    edge = mix(np.array(color), (0, 0, 0), 0.45)
    for s in (-1, 1):
        leaf = np.array([(s * 2, 2), (s * 26, 20), (s * 46, -22), (s * 44, -46), (s * 30, -34)])
        fill(view, leaf + origin, color)
        line(view, leaf + origin, edge, 2, closed=True)
        fill(cloth, leaf + origin, 255)


def paint_arms(texture: Atlas, mask: Atlas, appearance: Appearance) -> None:
    """Paint both ARM panels: sleeves, stripes, cuffs, a watch."""
    end = 212 if appearance.long_sleeves else 62
    for panel in (Panel.ARM_LEFT, Panel.ARM_RIGHT):
        view, cloth = panel.view(texture), panel.view(mask)
        view[:end], cloth[:end] = appearance.cloth, 255
        if appearance.stripes in (1, 3) and appearance.garment in (
            Garment.TEE,
            Garment.SWEATER,
            Garment.SHIRT,
        ):
            for y in range(4, end, 20):
                view[y : y + 8] = appearance.second
        if appearance.garment is Garment.TRACK_JACKET:
            view[:end, 18:30] = appearance.second
            view[:end, 98:110] = appearance.second
        if appearance.garment is Garment.SUIT:
            view[end : end + 7], cloth[end : end + 7] = appearance.second, 255
        view[end - 4 : end] = (view[end - 4 : end] * 0.6).astype(np.uint8)
    if appearance.watch:
        Panel.ARM_LEFT.view(texture)[216:227] = (22, 22, 24)
