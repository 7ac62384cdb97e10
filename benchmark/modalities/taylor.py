"""Taylor videos: the sums of a Taylor series over short blocks, three channels of motion.

Source: Wang, Yuan, Gedeon and Zheng, Taylor Videos for Action Recognition, ICML 2024 (arXiv
2402.03019), and the code that came with it; variant `mm_gesture` is that of arXiv 2507.08344.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numba import njit

from benchmark.modalities.packing import Places, pack, resized

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.packing import Frame
    from benchmark.modalities.specs import TaylorModality

    Floats: TypeAlias = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], np.float32) / 255
"""ITU-R BT.601, as OpenCV's gray."""
NO_MOTION = 128
"""Of variant `signed`."""


def prepare(
    spec: TaylorModality, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
) -> None:
    """Make the Taylor video of every clip, as many frames as the clip has.

    Raises:
        ManyFaults: Every raw video that cannot be decoded up to the end of its last clip.
    """
    places = Places(raw, edition, clips, out, spec.model_dump_json())
    pack(spec, places, partial(TaylorExtraction, spec), workers=workers)


class TaylorExtraction:
    """One clip. Frame t of the result is the block of frames t to t + window - 1.

    Blocks that reach past the end see the last frame again: nothing moves there. So the result is
    as long as the clip, and a clip shorter than a block has one too.
    """

    def __init__(self, spec: TaylorModality) -> None:
        self._spec = spec
        self._block: list[Floats] = []
        self._kept: list[Floats] = []

    def add(self, frame: Frame) -> list[Frame]:
        """The frame of the block that is full now, if one is."""
        gray = resized(np.asarray(frame @ LUMA, np.float32), self._spec.short_side)
        self._block.append(gray)
        if len(self._block) < self._spec.window:
            return []
        found = taylor(np.stack(self._block), self._spec.terms)
        del self._block[0]
        return self._take(found)

    def finish(self) -> list[Frame]:
        """The blocks that reach past the end; all frames of variant `signed`."""
        found: list[Frame] = []
        while self._block:
            missing = self._spec.window - len(self._block)
            block = np.stack(self._block + [self._block[-1]] * missing)
            found += self._take(taylor(block, self._spec.terms))
            del self._block[0]
        return [*found, *signed(self._kept)]

    def _take(self, values: Floats) -> list[Frame]:
        match self._spec.variant:
            case "paper":
                return [positive(values, axis=(0, 1))]
            case "mm_gesture":
                return [positive(values, axis=None)]
            case "signed":  # its scale is known at the end of the clip
                self._kept.append(values)
                return []


def taylor(block: Floats, terms: int) -> Floats:
    """Displacement, velocity and acceleration of a block: float32 (H, W, 3).

    `block` is float32 (L, H, W) of gray in 0 to 1, L at least `terms` + 3. With d^m the m-th
    forward difference at the first frame F_0 and S_i = sum_j (F_j - F_0)^i / i! over the block,
    channel c = 1, 2, 3 is sum_i S_i d^(i + c) / L for i = 0 to `terms` - 1.
    """
    _, height, width = block.shape
    factorials = np.array([math.factorial(i) for i in range(terms)], np.float32)
    values = np.empty((height, width, 3), np.float32)
    _series(np.ascontiguousarray(block), factorials, values)
    return values


# Every inner loop goes along x, so that the compiler takes many pixels at once.


@njit(cache=True, nogil=True)
def _series(block: Floats, factorials: Floats, values: Floats) -> None:
    length, height, width = block.shape
    terms = len(factorials)
    differences = np.empty((terms + 3, width), np.float32)
    sums, total = np.empty((terms, width), np.float32), np.empty(width, np.float32)
    share = np.float32(1 / length)
    for y in range(height):
        _differences(block, y, differences)
        _sums(block, y, factorials, sums)
        for c in range(3):
            total[:] = 0
            for i in range(terms):
                for x in range(width):
                    total[x] += sums[i, x] * differences[i + c + 1, x]
            for x in range(width):
                values[y, x, c] = total[x] * share


@njit(cache=True, nogil=True)
def _differences(block: Floats, y: int, differences: Floats) -> None:
    """Row m of `differences` (M, W) becomes the m-th forward difference of row y."""
    count, width = differences.shape
    for j in range(count):
        for x in range(width):
            differences[j, x] = block[j, y, x]
    for m in range(1, count):
        for j in range(count - 1, m - 1, -1):
            for x in range(width):
                differences[j, x] -= differences[j - 1, x]


@njit(cache=True, nogil=True)
def _sums(block: Floats, y: int, factorials: Floats, sums: Floats) -> None:
    """Row i of `sums` (K, W) becomes the sum over the block of (row y - first row y)^i / i!."""
    terms, width = sums.shape
    power = np.empty(width, np.float32)
    sums[:] = 0
    sums[0] = len(block)  # every power of 0 is 1
    for j in range(1, len(block)):
        power[:] = 1
        for i in range(1, terms):
            scale = np.float32(1) / factorials[i]
            for x in range(width):
                power[x] *= block[j, y, x] - block[0, y, x]
                sums[i, x] += power[x] * scale


def positive(values: Floats, axis: tuple[int, int] | None) -> Frame:
    """Negative motion to 0, the maximum over `axis` to 255, cut to whole numbers as the originals.

    uint8 (H, W, 3). Where nothing moves everything is 0.
    """
    values = np.maximum(values, 0)
    most = values.max(axis=axis, keepdims=True)
    scaled = np.divide(values * 255, most, out=np.zeros_like(values), where=most > 0)
    return scaled.astype(np.uint8)


def signed(frames: list[Floats]) -> list[Frame]:
    """Around `NO_MOTION`, the strongest motion of the clip at 1 or 255: uint8 (H, W, 3) each."""
    most = max((float(np.abs(values).max()) for values in frames), default=0.0)
    scale = 127 / most if most > 0 else 0.0
    return [np.rint(NO_MOTION + values * scale).astype(np.uint8) for values in frames]
