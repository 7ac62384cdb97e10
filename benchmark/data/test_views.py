"""What test sees of one clip."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray


class Viewed(NamedTuple):
    """The distinct test views of a clip, and what each counts for.

    In a short clip many views are the same frames again; those are computed once.
    """

    views: tuple[NDArray[np.generic], ...]
    """One array for each input of the network: (V, ...)."""
    weight: NDArray[np.float32]
    """Share of each view in the mean: (V,), sum 1."""


def distinct(keys: Sequence[Hashable]) -> tuple[list[int], NDArray[np.float32]]:
    """Where each different key stands first, and its share of all keys."""
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    places = sorted(first.values())
    shares = [keys.count(keys[place]) / len(keys) for place in places]
    return places, np.array(shares, np.float32)
