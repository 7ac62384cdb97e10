"""The base of every fusion rule: settings of params.yaml that fit themselves to labeled clips.

A rule sees neither splits nor files nor clip ids. Reading params.yaml imports every rule, so a
rule imports scipy, scikit-learn and CMA-ES inside its methods.

Legend: M members, N clips, K classes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from benchmark.core.schema import Strict

if TYPE_CHECKING:
    from submission.fusion.blend import Blend

FusedMetric: TypeAlias = Literal["top1", "macro_f1", "log_loss"]
"""What a rule optimizes on validation; between equal results the lower log-loss decides."""

TINY = 1e-6
"""A fitted weight below this becomes 0, because such a member would never change a prediction."""
TIE = 1e-3
"""Weight of the log-loss, in nats, beside another metric: it decides between equal ones."""


class Fit(NamedTuple):
    """A fitted rule and what the fit took."""

    blend: Blend
    evaluations: int
    """Weightings that the fit scored; 0 where the rule has nothing to fit."""


class Rule(Strict):
    """A fusion rule; a subclass adds `kind`, which selects it in params.yaml, and its settings."""

    @abstractmethod
    def fit(self, names: Sequence[str], p: NDArray[np.float64], label: NDArray[np.int64]) -> Fit:
        """Fit the rule to labeled clips; equal arguments give an equal fit.

        Args:
            names: The members, sorted.
            p: Probabilities of the members in that order, (M, N, K).
            label: Class of each clip, (N,).
        """

    def for_part(self) -> Self:
        """Return the rule as it is fitted to a part of the clips, to estimate the fit to all."""
        return self

    def faults(self, members: Collection[str]) -> list[str]:
        """Name each setting that contradicts the fusion's `members`, as `key: what is wrong`."""
        return []


def uniform_weights(num_members: int) -> NDArray[np.float64]:
    """Return equal weights, (M,)."""
    return np.full(num_members, 1 / num_members)


def shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale weights (M,) >= 0, not all 0, to sum 1, whatever their size."""
    # By a power of two first, which rounds nothing: the sum of large ones would be infinite.
    scaled = np.ldexp(weights, -np.frexp(weights.max())[1])
    return scaled / scaled.sum()


def trimmed(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Set weights (M,) below `TINY` to 0 and scale the others to sum 1."""
    kept = np.where(weights < TINY, 0, weights)
    return kept / kept.sum()


def cost(metric: FusedMetric, label: NDArray[np.int64]) -> Callable[[NDArray[np.float64]], float]:
    """Build the function that a rule minimizes: probabilities (N, K) of the clips -> its cost.

    The cost is the log-loss itself, or one minus the metric plus `TIE` times the log-loss.
    """
    from benchmark.evaluation.metrics import class_scores, log_loss

    def cost_of(p: NDArray[np.float64]) -> float:
        nats = log_loss(p, label)
        match metric:
            case "log_loss":
                return nats
            case "top1":
                return 1 - float(np.mean(p.argmax(axis=1) == label)) + TIE * nats
            case "macro_f1":
                found = class_scores(p.argmax(axis=1), label, p.shape[1])
                return 1 - found.macro_f1 + TIE * nats
            case _:
                assert_never(metric)

    return cost_of
