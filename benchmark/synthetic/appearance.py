"""Choose the appearance of one person: random choices, all from one generator."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

Color = NDArray[np.uint8]

_SKIN = [
    (238, 203, 180), (232, 190, 162), (222, 178, 146), (208, 160, 126), (189, 140, 105),
    (168, 118, 84), (142, 97, 68), (115, 76, 54), (90, 60, 44), (70, 47, 36),
]  # fmt: skip
_HAIR = [
    (24, 20, 18), (34, 27, 23), (54, 38, 28), (82, 56, 36), (112, 80, 50), (150, 112, 70),
    (188, 154, 104), (120, 60, 34), (120, 118, 116), (190, 188, 184),
]  # fmt: skip


class Garment(Enum):
    """What covers the torso."""

    SUIT = auto()
    SHIRT = auto()
    POLO = auto()
    TEE = auto()
    TRACK_JACKET = auto()
    SWEATER = auto()


class Hair(Enum):
    """Cut of the hair."""

    SHAVED = auto()
    SHORT = auto()
    QUIFF = auto()
    BOB = auto()
    LONG = auto()
    BUN = auto()


class Beard(Enum):
    """Hair of the lower face."""

    NONE = auto()
    STUBBLE = auto()
    FULL = auto()
    MUSTACHE = auto()


@dataclass(frozen=True)
class Appearance:
    """Choices that make one person recognizable."""

    skin: Color
    hair_color: Color
    hair: Hair
    hairline: float
    """Meters above the brows where the hair begins."""
    beard: Beard
    iris: Color
    garment: Garment
    cloth: Color
    second: Color
    """Stripes, collar, lapels."""
    accent: Color
    """Tie, logo."""
    long_sleeves: bool
    stripes: int
    """0 none, 1 across, 2 along, 3 checkered."""
    tie: bool
    cap: bool
    cap_color: Color
    glasses: bool
    watch: bool
    bulk: float
    """Thickness of the cloth in meters."""
    sponsor: str
    """A made-up name on the chest."""
    number: int
    """A number on the chest."""

    @property
    def dark(self) -> tuple[int, int, int]:
        """Seams and buttons."""
        r, g, b = (int(c * 0.5) for c in self.cloth)
        return r, g, b


def choose_appearance(rng: np.random.Generator, *, cap: bool) -> Appearance:
    """Choose one appearance; the plan decides on `cap`, because a gesture needs it."""
    # Every draw moves the generator on: a new choice goes to the end, or all people change.
    garment = rng.choice(np.array(list(Garment)), p=[0.2, 0.16, 0.16, 0.18, 0.2, 0.1])
    hair = rng.choice(np.array(list(Hair)), p=[0.12, 0.32, 0.2, 0.12, 0.16, 0.08])
    mannish = hair in (Hair.SHAVED, Hair.SHORT, Hair.QUIFF)
    beard = rng.choice(np.array(list(Beard)), p=[0.5, 0.25, 0.17, 0.08]) if mannish else Beard.NONE
    tone = rng.uniform(0, len(_SKIN) - 1)
    skin = _between(_SKIN, tone)
    # Skin and hair colors go together, as they mostly do.
    dark_hair = tone > 5 and rng.random() < 0.85
    hair_color = _between(_HAIR, rng.uniform(0, 1.5 if dark_hair else len(_HAIR) - 1))
    cloth, second, accent = _cloth_colors(rng, garment)
    sleeves = garment in (Garment.SUIT, Garment.TRACK_JACKET, Garment.SWEATER)
    return Appearance(
        skin=_shift(rng, skin, 5),
        hair_color=hair_color,
        hair=hair,
        hairline=float(rng.uniform(0.040, 0.062)),
        beard=beard,
        iris=_between(
            [(60, 40, 25), (40, 28, 20), (80, 100, 70), (70, 100, 140)], rng.uniform(0, 3)
        ),
        garment=garment,
        cloth=cloth,
        second=second,
        accent=accent,
        long_sleeves=bool(sleeves or (garment is Garment.SHIRT and rng.random() < 0.75)),
        stripes=int(rng.choice(4, p=[0.5, 0.2, 0.18, 0.12])),
        tie=bool(garment is Garment.SUIT and rng.random() < 0.75)
        or bool(garment is Garment.SHIRT and rng.random() < 0.3),
        cap=cap,
        cap_color=_shift(rng, _vivid(rng), 10),
        glasses=bool(rng.random() < 0.18),
        watch=bool(rng.random() < 0.4),
        bulk=float(rng.uniform(0.008, 0.016)),
        sponsor=str(rng.choice(["TORVIK", "MELDO", "AXIAL", "ZORBA", "KELPIE", "NUVO"])),
        number=int(rng.integers(10, 99)),
    )


def _cloth_colors(rng: np.random.Generator, garment: Garment) -> tuple[Color, Color, Color]:
    pale = _rgb(rng.uniform(200, 250, 3))
    match garment:
        case Garment.SUIT:
            base = _between(
                [(28, 30, 38), (40, 48, 70), (70, 72, 76), (92, 78, 62)], rng.uniform(0, 3)
            )
            return base, pale, _vivid(rng)
        case Garment.SHIRT:
            base = pale if rng.random() < 0.6 else _vivid(rng)
            return base, _shift(rng, base, 50), _vivid(rng)
        case Garment.POLO | Garment.TEE | Garment.TRACK_JACKET | Garment.SWEATER:
            plain = rng.random() < 0.35
            base = _rgb(np.full(3, rng.choice([28, 60, 128, 205, 240]))) if plain else _vivid(rng)
            second = pale if rng.random() < 0.6 else _vivid(rng)
            return _shift(rng, base, 12), second, _vivid(rng)


def _vivid(rng: np.random.Generator) -> Color:
    """Choose a saturated cloth color."""
    r, g, b = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.45, 0.9), rng.uniform(0.25, 0.85))
    return _rgb(np.array([r, g, b]) * 255)


def _between(colors: list[tuple[int, int, int]], at: float) -> Color:
    """Interpolate a color along a list."""
    table = np.array(colors, float)
    i = min(int(at), len(table) - 2)
    return _rgb(table[i] + (at - i) * (table[i + 1] - table[i]))


def _shift(rng: np.random.Generator, color: Color, sigma: float) -> Color:
    return _rgb(color + rng.normal(0, sigma, 3))


def _rgb(values: NDArray) -> Color:
    # Neither pure black nor white: cloth and skin keep room for light and shade.
    return np.clip(values, 8, 252).astype(np.uint8)
