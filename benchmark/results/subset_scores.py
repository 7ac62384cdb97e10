"""Equal-weight fusions of every subset of members, and what each member adds to them.

A subset is a number: bit m says whether member m is in it.
"""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.core.errors import FormatError
from benchmark.params.params import MOST_MEMBERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray


class SubsetScore(NamedTuple):
    """One subset."""

    members: tuple[str, ...]
    top1: dict[str, float]
    """Split -> share of right answers."""


def subset_counts(p: NDArray[np.float64], labels: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Right answers of every subset: int64 (2 ** M, S), zeros for the empty one.

    `p` is float64 (M, N, K); `labels` are int64 arrays whose lengths sum to N, one a set of clips
    (such as validation and test, one after the other). Each subset costs one addition of (N, K).

    Raises:
        FormatError: More than `params.MOST_MEMBERS` members, or not one label a clip.
    """
    if len(p) > MOST_MEMBERS:
        raise FormatError(
            "subsets", "too many members", expected=f"at most {MOST_MEMBERS}", found=str(len(p))
        )
    label = np.concatenate(labels)
    if len(label) != p.shape[1]:
        raise FormatError(
            "subsets", "not one label a clip", expected=str(p.shape[1]), found=str(len(label))
        )
    starts = np.cumsum([0, *map(len, labels)])[:-1]
    counts = np.zeros((2 ** len(p), len(labels)), np.int64)
    for subset, total in _sums(p, 0, np.zeros(p.shape[1:]), 0):
        counts[subset] = np.add.reduceat((total.argmax(1) == label).astype(np.int64), starts)
    return counts


def _sums(
    p: NDArray[np.float64], first: int, total: NDArray[np.float64], subset: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Each subset that adds members from `first` on, and its sum; depth first, so few are kept."""
    for member in range(first, len(p)):
        larger, grown = subset | 1 << member, total + p[member]
        yield larger, grown
        yield from _sums(p, member + 1, grown, larger)


def names_of(subset: int, names: Sequence[str]) -> tuple[str, ...]:
    """The members of a subset."""
    return tuple(name for member, name in enumerate(names) if subset >> member & 1)


def shapley(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each member adds on average over all orders of adding them, float64 (M,).

    `value` is float64 (2 ** M,): the worth of each subset, that of the empty one first. The sum of
    what is returned is the worth of all members minus that of none.

    Source: Shapley, A Value for n-Person Games, 1953.
    """
    members = len(value).bit_length() - 1
    subsets = np.arange(len(value))
    sizes = np.array([int(subset).bit_count() for subset in subsets])
    orders = np.array([1 / (members * comb(members - 1, size)) for size in range(members)])
    found = np.empty(members)
    for member in range(members):
        without = subsets[subsets >> member & 1 == 0]
        gain = value[without | 1 << member] - value[without]
        found[member] = orders[sizes[without]] @ gain
    return found
