"""Rules that fit nothing: equal weights of probabilities or of logarithms, and given weights."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from submission.fusion.blend import Blend
from submission.fusion.rules.rule import Fit, Rule, shares, uniform_weights


class Uniform(Rule):
    """Equal weights."""

    kind: Literal["uniform"]

    def fit(self, names: Sequence[str], p: NDArray[np.float64], label: NDArray[np.int64]) -> Fit:
        return Fit(Blend(uniform_weights(len(names))), evaluations=0)


class Geometric(Rule):
    """Equal weights of logarithms: one member that excludes a class outweighs the others."""

    kind: Literal["geometric"]

    def fit(self, names: Sequence[str], p: NDArray[np.float64], label: NDArray[np.int64]) -> Fit:
        """Return equal weights for the logarithms of `names`."""
        return Fit(Blend(uniform_weights(len(names)), geometric=True), evaluations=0)


class Fixed(Rule):
    """Weights that somebody chose; only their ratios matter."""

    kind: Literal["fixed"]
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(min_length=1)
    """Weight of every member."""

    def fit(self, names: Sequence[str], p: NDArray[np.float64], label: NDArray[np.int64]) -> Fit:
        """Return the chosen weights, scaled to sum 1, in the order of `names`."""
        # Reading params.yaml has made sure, through `faults`, that every member has a weight.
        weights = np.array([self.weights[name] for name in names], np.float64)
        return Fit(Blend(shares(weights)), evaluations=0)

    def faults(self, members: Collection[str]) -> list[str]:
        """Tell whether the weights name other members than the fusion, or are all 0."""
        if set(self.weights) != set(members):
            return ["weights: must name exactly the members"]
        return [] if any(self.weights.values()) else ["weights: one must be above 0"]
