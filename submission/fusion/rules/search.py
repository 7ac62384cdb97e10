"""Search of the weights by CMA-ES, which needs no derivative of the metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.core.schema import Positive
from submission.fusion.blend import Blend, weighted_mean
from submission.fusion.rules.rule import Fit, FusedMetric, Rule, cost, trimmed


class Search(Rule):
    """Weights that CMA-ES finds on the metric itself, without its derivative.

    Source: Hansen, The CMA Evolution Strategy: A Tutorial, arXiv 1604.00772.
    """

    kind: Literal["search"]
    metric: FusedMetric
    """What the search optimizes."""
    evaluations: Positive
    """Weightings that the search may try."""
    seed: Annotated[int, Field(gt=0, lt=2**32)]
    """Seed of the search."""

    def fit(self, names: Sequence[str], p: NDArray[np.float64], label: NDArray[np.int64]) -> Fit:
        """Search the logarithms of the weights, beginning at equal weights."""
        import cma
        from scipy.special import softmax

        cost_of = cost(self.metric, label)
        # Softmax maps any logs to the simplex, so CMA-ES needs no constraint.
        start = np.zeros(len(p))
        best = softmax(start)
        least = cost_of(weighted_mean(p, best))
        if len(p) == 1:
            return Fit(Blend(best), evaluations=1)
        options = {"maxfevals": self.evaluations, "seed": self.seed, "verbose": -9}
        strategy = cma.CMAEvolutionStrategy(start, 1.0, options)
        evaluations = 1
        while not strategy.stop():
            candidates = strategy.ask()
            costs = [cost_of(weighted_mean(p, softmax(logs))) for logs in candidates]
            strategy.tell(candidates, costs)
            evaluations += len(candidates)
            place = int(np.argmin(costs))
            # The last mean of the strategy may be worse than a candidate, even than the start.
            if costs[place] < least:
                best, least = softmax(candidates[place]), costs[place]
        return Fit(Blend(trimmed(best)), evaluations)
