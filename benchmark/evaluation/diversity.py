"""What members know together: every subset fused with equal weights, and what each member adds.

A subset of members is a number: bit m says whether member m is in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import FormatError

FEWEST_MEMBERS = 2
"""Members that can be fused, or compared."""
MOST_MEMBERS = 16
"""Members whose subsets are all scored: 65,535, a minute for 5,000 clips of 32 classes."""


@dataclass(frozen=True)
class Complementarity:
    """M members on the same clips; all numbers are shares of the clips."""

    names: tuple[str, ...]
    disagreement: NDArray[np.float64]
    """(M, M): clips for which two members predict different classes."""
    union: NDArray[np.float64]
    """(M, M): clips that at least one of two gets right; on the diagonal, a member's own top-1."""
    oracle: float
    """Clips that at least one member gets right: no choice among their predictions does better."""
    fused: float
    """Top-1 of all with equal weights."""
    without: NDArray[np.float64]
    """(M,): what top-1 of all with equal weights loses when one member is left out."""
    shapley: NDArray[np.float64]
    """(M,): what each member adds on average over all orders of adding them."""


def complementarity(
    names: Sequence[str], p: NDArray[np.float64], label: NDArray[np.int64], majority_baseline: float
) -> Complementarity:
    """Compare members.

    Args:
        names: M names.
        p: Probabilities of each member, float64 (M, N, K).
        label: True classes, int64 (N,).
        majority_baseline: Top-1 of always predicting the largest class of training, in [0, 1]:
            the worth of no member.

    Raises:
        FormatError: There are more than `MOST_MEMBERS` members.
    """
    predictions = p.argmax(2)
    correct = predictions == label
    value = subset_counts(p, [label])[:, 0] / len(label)
    value[0] = majority_baseline
    everyone = len(value) - 1
    # Clearing bit m of the full subset takes member m out of it.
    others = np.array([value[everyone & ~(1 << member)] for member in range(len(p))])
    return Complementarity(
        names=tuple(names),
        disagreement=(predictions[:, None] != predictions[None]).mean(2),
        union=(correct[:, None] | correct[None]).mean(2),
        oracle=float(correct.any(0).mean()),
        fused=float(value[everyone]),
        without=value[everyone] - others,
        shapley=shapley(value),
    )


def hardest(p: NDArray[np.float64], label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Order clips from the hardest on: by members that are right, then by mean p of the label.

    `p` is float64 (M, N, K), `label` int64 (N,); the rows come back as int64 (N,).
    """
    correct = p.argmax(2) == label
    mean = p[:, np.arange(len(label)), label].mean(0)
    # lexsort takes its last key first.
    return np.lexsort((mean, correct.sum(0)))


def subset_counts(p: NDArray[np.float64], labels: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Count correct predictions of every subset: int64 (2 ** M, S), zeros for the empty one.

    `p` is float64 (M, N, K); `labels` are int64 arrays whose lengths sum to N, one per set of clips
    (such as validation and test, one after the other). Each subset costs one addition of (N, K).

    Raises:
        FormatError: More than `MOST_MEMBERS` members, or not one label per clip.
    """
    if len(p) > MOST_MEMBERS:
        wanted = f"at most {MOST_MEMBERS}"
        raise FormatError("subsets", "too many members", expected=wanted, found=str(len(p)))
    label = np.concatenate(labels)
    if len(label) != p.shape[1]:
        wrong, wanted = "not one label per clip", str(p.shape[1])
        raise FormatError("subsets", wrong, expected=wanted, found=str(len(label)))
    starts = np.cumsum([0, *map(len, labels)])[:-1]
    counts = np.zeros((2 ** len(p), len(labels)), np.int64)
    for subset, total in _sums(p, 0, np.zeros(p.shape[1:]), 0):
        correct = (total.argmax(1) == label).astype(np.int64)
        # reduceat sums from each start up to the next one: one count per set of clips.
        counts[subset] = np.add.reduceat(correct, starts)
    return counts


def _sums(
    p: NDArray[np.float64], first: int, total: NDArray[np.float64], subset: int
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    # Depth first, so that at most M sums exist at a time instead of 2 ** M. The sum stands for the
    # mean, since dividing by the number of members moves no argmax.
    for member in range(first, len(p)):
        larger, grown = subset | 1 << member, total + p[member]
        yield larger, grown
        yield from _sums(p, member + 1, grown, larger)


def shapley(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute what each member adds on average over all orders of adding them, float64 (M,).

    `value` is float64 (2 ** M,): the worth of each subset, that of the empty one first. The sum of
    what is returned is the worth of all members minus that of none.

    Source: Shapley, A Value for n-Person Games, 1953.
    """
    members = len(value).bit_length() - 1
    subsets = np.arange(len(value))
    sizes = np.bitwise_count(subsets)
    # Share of all orders in which exactly a given subset of this size comes before the member:
    # size! (M - 1 - size)! / M!.
    share = np.array([1 / (members * comb(members - 1, size)) for size in range(members)])
    added = np.empty(members)
    for member in range(members):
        without = subsets[subsets >> member & 1 == 0]
        gain = value[without | 1 << member] - value[without]
        added[member] = share[sizes[without]] @ gain
    return added
