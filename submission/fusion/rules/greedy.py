"""Greedy ensemble selection: the weights are counts of how often each member was added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.core.schema import Positive
from submission.fusion.blend import Blend
from submission.fusion.rules.rule import Fit, FusedMetric, Rule, cost


class Greedy(Rule):
    """Add members one after the other, repeats allowed, each time the one that helps most.

    Source: Caruana et al., Ensemble Selection from Libraries of Models, ICML 2004.
    """

    kind: Literal["greedy"]
    metric: FusedMetric
    """What each addition optimizes."""
    rounds: Positive
    """Members added."""

    def fit(self, names: Sequence[str], p: NDArray[np.float64], label: NDArray[np.int64]) -> Fit:
        """Count how often each member was added up to the best round, and scale to sum 1."""
        cost_of = cost(self.metric, label)
        added: list[int] = []
        total = np.zeros(p.shape[1:])
        costs: list[float] = []
        for number in range(1, self.rounds + 1):
            tried = [cost_of((total + member) / number) for member in p]
            place = int(np.argmin(tried))  # argmin takes the first by name of equally good members
            added.append(place)
            costs.append(tried[place])
            total += p[place]
        best_round = int(np.argmin(costs)) + 1
        counts = np.bincount(added[:best_round], minlength=len(p))
        return Fit(Blend(counts / counts.sum()), evaluations=self.rounds * len(p))
