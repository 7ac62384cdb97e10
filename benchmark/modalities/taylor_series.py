"""The sums of a Taylor series over a short block of frames, compiled.

Apart from the modality: numba takes a second to import, and params.yaml needs the spec alone.

Source: Wang, Yuan, Gedeon and Zheng, Taylor Videos for Action Recognition, ICML 2024 (arXiv
2402.03019), and the code that came with it.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]


def taylor(block: Floats, terms: int) -> Floats:
    """Compute displacement, velocity and acceleration of a block: float32 (H, W, 3).

    `block` is float32 (L, H, W) of gray in 0 to 1, L at least `terms` + 3. With d^m the m-th
    forward difference at the first frame F_0 and S_i = sum_j (F_j - F_0)^i / i! over the block,
    channel c = 1, 2, 3 is sum_i S_i d^(i + c) / L for i = 0 to `terms` - 1.
    """
    _, height, width = block.shape
    factorials = np.array([math.factorial(i) for i in range(terms)], np.float32)
    values = np.empty((height, width, 3), np.float32)
    _series(np.ascontiguousarray(block), factorials, values)
    return values


# Every inner loop runs along x, so that the compiler can process many pixels at once (SIMD).


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
    """Set row m of `differences` (M, W) to the m-th forward difference of row y."""
    count, width = differences.shape
    for j in range(count):
        for x in range(width):
            differences[j, x] = block[j, y, x]
    for m in range(1, count):
        # From the end: each value is read before it is replaced, so one buffer serves all orders.
        for j in range(count - 1, m - 1, -1):
            for x in range(width):
                differences[j, x] -= differences[j - 1, x]


@njit(cache=True, nogil=True)
def _sums(block: Floats, y: int, factorials: Floats, sums: Floats) -> None:
    """Set row i of `sums` (K, W) to the sum over the block of (row y - first row y)^i / i!.

    Args:
        block: Gray frames, float32 (L, H, W).
        y: Row.
        factorials: i! for i = 0 to K - 1, float32 (K,).
        sums: Result, float32 (K, W).
    """
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
