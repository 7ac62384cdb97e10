"""Paint a person's atlas: face, hair, clothes; and the mask of what is cloth.

All coordinates given to cv2 are texels of one panel. Colors are RGB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.synthetic import atlas as at
from benchmark.synthetic.atlas import Panel, Swatch
from benchmark.synthetic.brushes import mix
from benchmark.synthetic.paint_clothes import paint_arms, paint_torso
from benchmark.synthetic.paint_face import paint_head

if TYPE_CHECKING:
    from benchmark.synthetic.appearance import Appearance
    from benchmark.synthetic.assets import Body

Atlas = NDArray[np.uint8]


class Painted(NamedTuple):
    """A person's texture."""

    texture: Atlas
    """(HEIGHT, WIDTH, 3)."""
    cloth: Atlas
    """(HEIGHT, WIDTH), 255 on cloth."""


def paint(body: Body, appearance: Appearance, rng: np.random.Generator) -> Painted:
    """Paint everything of one person."""
    # All draw from one generator: the order of these calls is part of the seed.
    texture = np.full((at.HEIGHT, at.WIDTH, 3), appearance.skin, np.uint8)
    mask = np.zeros((at.HEIGHT, at.WIDTH), np.uint8)
    paint_head(texture, body, appearance, rng)
    paint_torso(texture, mask, body, appearance, rng)
    paint_arms(texture, mask, appearance)
    _paint_eye(Panel.EYE.view(texture), appearance)
    _paint_swatches(texture, appearance, rng)
    return Painted(texture, mask)


def _paint_eye(view: NDArray, appearance: Appearance) -> None:
    h, w = view.shape[:2]
    view[:] = (232, 228, 224)
    center = (w // 2, h // 2)
    cv2.circle(view, center, 11, appearance.iris.tolist(), -1, cv2.LINE_AA)
    cv2.circle(view, center, 5, (8, 6, 6), -1, cv2.LINE_AA)
    cv2.circle(view, (center[0] - 3, center[1] - 4), 2, (255, 255, 255), -1, cv2.LINE_AA)


def _paint_swatches(texture: Atlas, appearance: Appearance, rng: np.random.Generator) -> None:
    wood = np.array([(196, 160, 120), (120, 84, 56), (60, 60, 66), (225, 225, 222), (40, 52, 84)])
    # The desk is part of the person's texture: one texture per mesh keeps the rasterizer simple.
    top = wood[rng.integers(len(wood))]
    colors = {
        Swatch.SKIN: np.asarray(appearance.skin),
        Swatch.TONGUE: np.array((120, 50, 50)),
        Swatch.HAIR: np.asarray(appearance.hair_color),
        Swatch.CAP: np.asarray(appearance.cap_color),
        Swatch.CAP_EDGE: np.asarray(appearance.cap_color) * 0.7,
        Swatch.DESK_TOP: top,
        Swatch.DESK_FRONT: top * 0.75,
        Swatch.PEN: np.asarray((20, 24, 60) if rng.random() < 0.5 else (170, 30, 30)),
        Swatch.MUG: rng.integers(40, 250, 3),
        Swatch.STEEL: np.array((70, 70, 74)),
        Swatch.FOAM: rng.integers(15, 60, 3),
        Swatch.PAPER: np.array((238, 238, 232)),
        Swatch.NAIL: np.array(mix(appearance.skin, (235, 170, 160), 0.5)),
    }
    for swatch, color in colors.items():
        swatch.paint(texture, np.clip(color, 0, 255).astype(np.uint8))
