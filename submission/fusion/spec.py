"""How members are made one: the rule, and what is done to their confidence around it."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from benchmark.core.schema import Positive, Share, Strict

FusedMetric: TypeAlias = Literal["top1", "macro_f1", "log_loss"]
"""What a rule makes best on validation; of equal ones the lower log-loss decides."""

Temperature: TypeAlias = Literal["none", "before", "after", "both"]
"""Where confidence is made fit, by least log-loss: of each member, of the result."""


class Uniform(Strict):
    """Equal weights."""

    kind: Literal["uniform"]


class Fixed(Strict):
    """Weights that somebody chose; only their ratios matter."""

    kind: Literal["fixed"]
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(min_length=1)
    """Of every member."""


class Geometric(Strict):
    """Equal weights of logarithms: a member that rules a class out is heard."""

    kind: Literal["geometric"]


class Convex(Strict):
    """Weights on the simplex that minimize the log-loss of validation."""

    kind: Literal["convex"]
    shrinkage: Share
    """0 keeps the fitted weights, 1 is uniform."""


class Greedy(Strict):
    """Members are added one by one, also twice, each time the one that helps most.

    Source: Caruana et al., Ensemble Selection from Libraries of Models, ICML 2004.
    """

    kind: Literal["greedy"]
    metric: FusedMetric
    """What is made best."""
    rounds: Positive
    """Members added, one after the other."""


class Search(Strict):
    """Weights found by CMA-ES on the metric itself, without its derivative."""

    kind: Literal["search"]
    metric: FusedMetric
    """What is made best."""
    evaluations: Positive
    """Weightings tried."""
    seed: Annotated[int, Field(gt=0)]
    """Of the search."""


class Stacking(Strict):
    """Multinomial logistic regression over the members' log-probabilities.

    Classes without a clip in validation keep what equal weights give them.
    """

    kind: Literal["stacking"]
    c: Annotated[float, Field(gt=0)]
    """Inverse strength of the ridge penalty, as in scikit-learn."""


FusionRule: TypeAlias = Annotated[
    Uniform | Fixed | Geometric | Convex | Greedy | Search | Stacking, Field(discriminator="kind")
]
