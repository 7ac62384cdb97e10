"""The weights on the simplex that minimize log-loss: a convex problem with one minimum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.core.schema import Share
from submission.fusion.blend import Blend
from submission.fusion.rules.rule import Fit, Rule, trimmed, uniform_weights

OPTIMALITY_GAP = 1e-6
"""Nats by which the fitted weights may miss the minimum on the simplex."""
MAX_STEPS = 10_000
"""Steps of expectation maximization after SLSQP; most fits need none."""


class Convex(Rule):
    """Weights on the simplex that minimize the log-loss of validation."""

    kind: Literal["convex"]
    shrinkage: Share
    """0 keeps the fitted weights, 1 gives equal weights."""

    def fit(self, names: Sequence[str], p: NDArray[np.float64], label: NDArray[np.int64]) -> Fit:
        """Minimize the log-loss, then move the weights toward equal ones by `shrinkage`."""
        from benchmark.evaluation.metrics import PROBABILITY_FLOOR

        of_label = np.maximum(p[:, np.arange(len(label)), label].T, PROBABILITY_FLOOR)
        best, evaluations = _least_log_loss(of_label)
        shrunk = (1 - self.shrinkage) * best + self.shrinkage * uniform_weights(len(names))
        return Fit(Blend(trimmed(shrunk)), evaluations)


def _least_log_loss(q: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Find the weights (M,) that minimize mean(-log(q @ w)) on the simplex.

    Return them, within `OPTIMALITY_GAP` of the minimum, and the number of weightings tried. `q`
    (N, M) holds each member's probability of the label.

    SLSQP comes near the minimum, but its own report of success is no proof. The duality gap is
    one: -log of an affine function is convex, so with g = mean(q / (q @ w)), loss(w) - loss(best)
    <= max(g) - 1. Expectation maximization (w <- w * g) closes what gap is left; it stays on the
    simplex and never raises the loss.

    Source: the dual bound and the EM step for mixture proportions: Lindsay, The Geometry of
    Mixture Likelihoods, Annals of Statistics 11, 1983.
    """
    from scipy.optimize import minimize

    num_members = q.shape[1]
    start = uniform_weights(num_members)
    result = minimize(
        lambda w: -np.log(q @ w).mean(), start, jac=lambda w: -_gain(q, w), method="SLSQP",
        bounds=[(0, 1)] * num_members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 500},
    )  # fmt: skip
    # EM only multiplies, so a member at exactly 0 could not return: each keeps a trace of uniform.
    w = 0.999_999 * np.clip(result.x, 0, 1) + 0.000_001 * start
    w /= w.sum()
    for step in range(MAX_STEPS):
        gain = _gain(q, w)
        if gain.max() - 1 <= OPTIMALITY_GAP:
            return w / w.sum(), int(result.nfev) + step
        w *= gain
    raise RuntimeError(f"fusion weights are not the best ones after {MAX_STEPS} steps")


def _gain(q: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute minus the gradient of the loss, (M,): what more weight of each member would gain."""
    return (q / (q @ w)[:, None]).mean(axis=0)
