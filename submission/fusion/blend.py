"""Members' probabilities -> one: weights, kind of mean, temperatures, or a stacked regression.

Legend: M members, N clips, K classes, S classes that the regression knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from benchmark.evaluation.metrics import PROBABILITY_FLOOR

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Stack:
    """A fitted multinomial regression over log-probabilities."""

    classes: NDArray[np.int64]
    """(S,) classes that occurred where it was fitted."""
    coefficients: NDArray[np.float64]
    """(S, M * K)."""
    intercept: NDArray[np.float64]
    """(S,)."""

    def __call__(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the known classes: (M, N, K) -> (N, S)."""
        return softmax(stack_features(p) @ self.coefficients.T + self.intercept, axis=1)


@dataclass(frozen=True)
class Blend:
    """All that a fusion does to its members."""

    weights: NDArray[np.float64]
    """(M,) on the simplex."""
    geometric: bool = False
    """Whether logarithms are averaged."""
    before: NDArray[np.float64] | None = None
    """(M,) temperature of each member."""
    after: float = 1.0
    """Temperature of the result."""
    stack: Stack | None = None
    """In the place of the mean, for the classes that it knows."""

    def __call__(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities (M, N, K) -> (N, K), rows summing to 1."""
        if self.before is not None:
            p = np.stack([apply_temperature(one, t) for one, t in zip(p, self.before, strict=True)])
        return apply_temperature(self._mean(p), self.after)

    def _mean(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        mean = geometric_mean(p, self.weights) if self.geometric else weighted_mean(p, self.weights)
        if self.stack is not None:
            known = self.stack.classes
            mean = mean.copy()
            mean[:, known] = mean[:, known].sum(axis=1, keepdims=True) * self.stack(p)
        return mean


def weighted_mean(p: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M, N, K), (M,) -> (N, K), rows summing to 1."""
    total = np.tensordot(w, p, axes=1)
    return total / total.sum(axis=1, keepdims=True)


def geometric_mean(p: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same of logarithms, of probabilities that are at least `PROBABILITY_FLOOR`."""
    total = np.exp(np.tensordot(w / w.sum(), _logs(p), axes=1))
    return total / total.sum(axis=1, keepdims=True)


def apply_temperature(p: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Softmax of log p over `temperature`: above 1 less sure, below 1 surer; 1 changes nothing.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    if temperature == 1:
        return p
    return softmax(_logs(p) / temperature, axis=-1)


def stack_features(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities of all members side by side: (M, N, K) -> (N, M * K)."""
    return _logs(p).transpose(1, 0, 2).reshape(p.shape[1], -1)


def _logs(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.maximum(p, PROBABILITY_FLOOR))
