"""Reranker: a regression decides between the best classes of clips that the mean is unsure of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.core.errors import FormatError
from benchmark.core.schema import AboveZero, Share
from submission.fusion.blend import Blend, Rerank, rerank_features, weighted_mean
from submission.fusion.rules.rule import Fit, Rule, uniform_weights


class Reranker(Rule):
    """Equal weights; then, for unsure clips, a logistic regression ranks the `k` best classes anew.

    Its features are the log-probabilities of a class by the members and the mean. Classes share
    the coefficients, so that rare ones need no clips of their own. Fit it out of fold: on clips
    that the members have learned from, they are never unsure.

    Source: SoftRerank, first of MAC 2026, reranks by hard samples out of fold; a linear model of
    pairs instead of a network is ours.
    """

    kind: Literal["reranker"]
    k: Annotated[int, Field(ge=2)]
    """Classes to rank anew."""
    margin: Share
    """A clip is unsure if its two best classes are less than this apart."""
    c: AboveZero
    """Inverse strength of the ridge penalty, as in scikit-learn."""
    fewest: Annotated[int, Field(ge=0)]
    """Unsure clips with their label among the `k` best below which the fit is refused."""

    def fit(self, names: Sequence[str], p: NDArray[np.float64], label: NDArray[np.int64]) -> Fit:
        """Fit the regression to pairs of the label and each other class among the best.

        Raises:
            FormatError: There are fewer than `fewest` clips to learn from.
        """
        weights = uniform_weights(len(names))
        even, k = weighted_mean(p, weights), min(self.k, p.shape[2])
        unsure, top, x = rerank_features(p, even, k, self.margin)
        is_label = top == label[unsure][:, None]
        known = is_label.any(axis=1)
        if (found := int(known.sum())) < self.fewest:
            raise FormatError(
                "rule reranker", "too few unsure clips to learn from",
                expected=f"at least {self.fewest}", found=str(found),
                do="Fit it out of fold (docs/folds.md), or raise its margin",
            )  # fmt: skip
        rerank = None
        if found and k > 1:
            x, is_label = x[known], is_label[known]
            others = x[~is_label].reshape(found, k - 1, -1)
            fitted = self._coefficients(x[is_label][:, None] - others)
            rerank = Rerank(k=k, margin=self.margin, coefficients=tuple(fitted.tolist()))
        return Fit(Blend(weights, rerank=rerank), evaluations=1)

    def for_part(self) -> Self:
        """Return the rule without the least number of clips, which is one of all of them."""
        return self.model_copy(update={"fewest": 0})

    def _coefficients(self, differences: NDArray[np.float64]) -> NDArray[np.float64]:
        from sklearn.linear_model import LogisticRegression

        pairs = differences.reshape(-1, differences.shape[2])
        # Each pair in both directions: a regression without an intercept needs two classes.
        x = np.concatenate([pairs, -pairs])
        y = np.repeat([1, 0], len(pairs))
        model = LogisticRegression(C=self.c, fit_intercept=False, solver="newton-cholesky")
        return model.fit(x, y).coef_[0]
