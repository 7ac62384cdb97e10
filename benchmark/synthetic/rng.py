"""Random generators: one per (seed, purpose, number), so no draw depends on the order of work."""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, purpose: str, number: int) -> np.random.Generator:
    """The generator for one purpose."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), number])
