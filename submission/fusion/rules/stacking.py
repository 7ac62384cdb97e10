"""Stacking: a regression over the log-probabilities of all members."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from submission.fusion.blend import Blend, Stack, stack_features
from submission.fusion.rules.rule import Fit, Rule, uniform_weights


class Stacking(Rule):
    """Multinomial logistic regression over the members' log-probabilities.

    Classes without a clip in validation keep what equal weights give them.
    """

    kind: Literal["stacking"]
    c: Annotated[float, Field(ge=1e-6, le=1e6)]
    """Inverse strength of the ridge penalty, as in scikit-learn, which fails far outside."""

    def fit(self, names: Sequence[str], p: NDArray[np.float64], label: NDArray[np.int64]) -> Fit:
        """Fit the regression; clips of a single class teach it nothing, so equal weights stay."""
        return Fit(Blend(uniform_weights(len(names)), stack=self._stack(p, label)), evaluations=1)

    def _stack(self, p: NDArray[np.float64], label: NDArray[np.int64]) -> Stack | None:
        from sklearn.linear_model import LogisticRegression

        classes = np.unique(label)
        if len(classes) < 2:
            return None
        # Log-probabilities lie far from 0, where scikit-learn's own solver stops short of the
        # minimum. Their middle can go into the intercept, which has no penalty: same minimum.
        x = stack_features(p)
        middle = x.mean(axis=0)
        model = LogisticRegression(C=self.c, solver="newton-cg", tol=1e-8, max_iter=1000)
        model.fit(x - middle, label)
        coefficients, intercept = model.coef_, model.intercept_ - model.coef_ @ middle
        # For two classes scikit-learn keeps one row, the difference of both.
        if len(classes) == 2:
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            intercept = np.concatenate([-intercept, intercept]) / 2
        return Stack(
            classes=tuple(classes.tolist()), intercept=tuple(intercept.tolist()),
            coefficients=tuple(map(tuple, coefficients.tolist())),
        )  # fmt: skip
