"""How far the members of a fusion know different things."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmark.results.subset_scores import shapley, subset_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Complementarity:
    """M members on the same clips; all numbers are shares of the clips."""

    names: tuple[str, ...]
    disagreement: NDArray[np.float64]
    """(M, M): clips that two answer differently."""
    union: NDArray[np.float64]
    """(M, M): clips that at least one of two gets right; on the diagonal, a member's own top-1."""
    oracle: float
    """Clips that at least one of all gets right: no choice among their answers can do better."""
    fused: float
    """Top-1 of all with equal weights."""
    without: NDArray[np.float64]
    """(M,): what top-1 of all with equal weights loses when one is taken away."""
    shapley: NDArray[np.float64]
    """(M,): what each adds on average over all orders of adding them."""


def complementarity(
    names: Sequence[str], p: NDArray[np.float64], label: NDArray[np.int64], majority: float
) -> Complementarity:
    """Compare members: `p` float64 (M, N, K), `label` int64 (N,).

    `majority` is top-1 of always answering the largest class of training: the worth of no member.

    Raises:
        FormatError: There are more members than `params.MOST_MEMBERS`.
    """
    answers = p.argmax(2)
    right = answers == label
    value = subset_counts(p, [label])[:, 0] / len(label)
    value[0] = majority
    everyone = len(value) - 1
    alone = np.array([value[everyone & ~(1 << member)] for member in range(len(p))])
    return Complementarity(
        names=tuple(names),
        disagreement=(answers[:, None] != answers[None]).mean(2),
        union=(right[:, None] | right[None]).mean(2),
        oracle=float(right.any(0).mean()),
        fused=float(value[everyone]),
        without=value[everyone] - alone,
        shapley=shapley(value),
    )


def hardest(p: NDArray[np.float64], label: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of clips from the hardest on: by members that are right, then by their mean p there.

    `p` is float64 (M, N, K), `label` int64 (N,); int64 (N,) comes back.
    """
    right = p.argmax(2) == label
    mean = p[:, np.arange(len(label)), label].mean(0)
    return np.lexsort((mean, right.sum(0)))
