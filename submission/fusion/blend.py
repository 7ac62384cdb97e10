"""What a fusion does to its members: weights, kind of mean, temperatures, a stacked regression.

Reading params.yaml imports this module, so scipy and pyarrow load inside the functions.

Legend: M members, N clips, K classes, S classes that the regression covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from benchmark.core.schema import NotNegative, Share, Strict


class Stack(Strict):
    """A fitted multinomial regression over log-probabilities, one row of coefficients per class."""

    classes: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=2)
    """(S,) classes that occurred in the clips of the fit."""
    coefficients: tuple[tuple[float, ...], ...]
    """(S, M * K): members sorted by name, and all classes of each."""
    intercept: tuple[float, ...]
    """(S,)."""

    @model_validator(mode="after")
    def _fits(self) -> Stack:
        if not len(self.classes) == len(self.coefficients) == len(self.intercept):
            raise ValueError("classes, coefficients and intercept differ in length")
        return self

    def __call__(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict probabilities of `classes`: (M, N, K) -> (N, S)."""
        from scipy.special import softmax

        coefficients, intercept = np.array(self.coefficients), np.array(self.intercept)
        return softmax(stack_features(p) @ coefficients.T + intercept, axis=1)


class Rerank(Strict):
    """A fitted ranking of the best classes of clips that the mean is unsure of."""

    k: Annotated[int, Field(ge=2)]
    """Classes to rank."""
    margin: Share
    """A clip is unsure if its two best classes are less than this apart."""
    coefficients: tuple[float, ...]
    """(M + 1,): of the members' log-probabilities, sorted by name, and of the mean's."""

    def __call__(self, p: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share out what the mean (N, K) gives the best classes; p is (M, N, K)."""
        from scipy.special import softmax

        unsure, top, x = rerank_features(p, mean, self.k, self.margin)
        rows, ranked = mean[unsure], mean.copy()
        mass = np.take_along_axis(rows, top, axis=1).sum(axis=1, keepdims=True)
        shares = softmax(x @ np.array(self.coefficients), axis=1)
        np.put_along_axis(rows, top, mass * shares, axis=1)
        ranked[unsure] = rows
        return ranked


def rerank_features(
    p: NDArray[np.float64], mean: NDArray[np.float64], k: int, margin: float
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float64]]:
    """Collect what a reranker looks at.

    Args:
        p: Probabilities of the members, (M, N, K).
        mean: Those of their mean, (N, K).
        k: Classes to rank, at most K.
        margin: Between the two best classes, below which a clip is unsure.

    Returns:
        Which clips are unsure, bool (N,); and of these U clips the best classes, the best first,
        int64 (U, k), and their features, (U, k, M + 1).
    """
    order = np.argsort(-mean, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(mean, order, axis=1)
    unsure = best[:, 0] - best[:, min(1, k - 1)] < margin
    top = order[unsure]
    parts = np.concatenate([p[:, unsure], mean[None, unsure]])
    x = np.take_along_axis(_logs(parts), top[None], axis=2)
    return unsure, top, x.transpose(1, 2, 0)


class GroupPower(Strict):
    """The probability of each class's group, as a factor."""

    group: tuple[Annotated[int, Field(ge=0)], ...]
    """(K,) group of each class."""
    strength: NotNegative
    """Power of the group's probability."""

    def __call__(self, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """Multiply probabilities (N, K) by those of the groups, rows summing to 1."""
        group = np.array(self.group)
        sums = np.stack([mean[:, group == g].sum(axis=1) for g in range(group.max() + 1)])
        powered = mean * np.maximum(sums[group].T, 1e-12) ** self.strength
        return powered / powered.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Blend:
    """A fitted fusion as a function: members' probabilities -> probabilities of one system."""

    weights: NDArray[np.float64]
    """(M,) on the simplex."""
    geometric: bool = False
    """Whether the mean is of logarithms."""
    before: NDArray[np.float64] | None = None
    """(M,) temperature of each member; None for 1."""
    after: float = 1.0
    """Temperature of the result."""
    stack: Stack | None = None
    """Replaces the mean for the classes that it covers."""
    rerank: Rerank | None = None
    """Ranks the best classes of unsure clips anew."""
    groups: GroupPower | None = None
    """Multiplies each class by its group's probability."""

    def __call__(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fuse probabilities (M, N, K) -> (N, K), rows summing to 1."""
        if self.before is not None:
            p = apply_temperatures(p, self.before)
        return apply_temperature(self._mean(p), self.after)

    def _mean(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        mean = geometric_mean(p, self.weights) if self.geometric else weighted_mean(p, self.weights)
        if self.stack is not None:
            # The regression shares out what the mean gives its classes; the others keep theirs.
            covered = [*self.stack.classes]
            mean = mean.copy()
            mean[:, covered] = mean[:, covered].sum(axis=1, keepdims=True) * self.stack(p)
        mean = mean if self.groups is None else self.groups(mean)
        return mean if self.rerank is None else self.rerank(p, mean)


def weighted_mean(p: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average members (M, N, K) by weights (M,) -> (N, K), rows summing to 1."""
    total = np.tensordot(w, p, axes=1)
    return total / total.sum(axis=1, keepdims=True)


def geometric_mean(p: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average the logarithms of members (M, N, K) by weights (M,) -> (N, K), rows summing to 1.

    Probabilities below `PROBABILITY_FLOOR` count as the floor.
    """
    # Weights are exponents here: their scale would change the result, unlike in the mean above.
    total = np.exp(np.tensordot(w / w.sum(), _logs(p), axes=1))
    return total / total.sum(axis=1, keepdims=True)


def apply_temperature(p: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Divide log p (N, K) by `temperature`: above 1 less sure, below 1 surer, 1 changes nothing.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    if temperature == 1:
        # Rounding in log and softmax would change the last bits.
        return p
    from scipy.special import softmax

    return softmax(_logs(p) / temperature, axis=-1)


def apply_temperatures(
    p: NDArray[np.float64], temperatures: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Apply to each member of (M, N, K) its own of the `temperatures` (M,)."""
    return np.stack([apply_temperature(one, t) for one, t in zip(p, temperatures, strict=True)])


def stack_features(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lay the log-probabilities of all members side by side: (M, N, K) -> (N, M * K)."""
    # The columns of one member stay together; weights.json relies on this order.
    return _logs(p).transpose(1, 0, 2).reshape(p.shape[1], -1)


def _logs(p: NDArray[np.float64]) -> NDArray[np.float64]:
    from benchmark.evaluation.metrics import PROBABILITY_FLOOR

    return np.log(np.maximum(p, PROBABILITY_FLOOR))
