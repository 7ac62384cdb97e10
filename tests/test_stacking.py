"""Rule `stacking`: the regression of scikit-learn, at its minimum, for every penalty."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from benchmark.evaluation.metrics import PROBABILITY_FLOOR
from fused import labels_of, make, truth_of
from submission.fusion.fit import fit_fusion
from submission.fusion.fuse import apply
from submission.fusion.rules.stacking import Stacking


def regression(logs: np.ndarray, label: np.ndarray, *, c: float) -> np.ndarray:
    """scikit-learn's own solver, with as many steps as it needs."""
    model = LogisticRegression(C=c, tol=1e-8, max_iter=100_000)
    return model.fit(logs, label).predict_proba(logs)


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
def test_stacking_of_sure_members_ends_at_the_minimum_without_a_word(
    c: float, recwarn: pytest.WarningsRecorder
) -> None:
    rng = np.random.default_rng(2)
    label = rng.integers(0, 6, 120)
    logs = rng.normal(0, 5, (5, 120, 6))
    logs[:, np.arange(120), label] += 4
    p = softmax(logs, axis=2)
    rule = Stacking(kind="stacking", c=c)
    fitted = rule.fit(tuple("abcde"), p, label).blend
    assert not recwarn.list
    features = np.log(p.clip(PROBABILITY_FLOOR)).transpose(1, 0, 2).reshape(120, -1)
    expected = regression(features - features.mean(0), label, c=c)
    np.testing.assert_allclose(fitted(p), expected, atol=1e-4)


def test_stacking_is_the_regression_of_scikit_learn() -> None:
    members, label = make(3, 3, 80)
    rule = Stacking(kind="stacking", c=0.1)
    fitted = fit_fusion(rule, "none", members, truth_of(label))
    ids = sorted(labels_of(label))
    logs = np.concatenate([np.log(m.aligned(ids).p.astype(np.float64)) for m in members], axis=1)
    expected = regression(logs, label, c=0.1)
    found = apply(fitted, members, source="f").aligned(ids).p
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("c", [1e-6, 1e6])
def test_the_weakest_and_the_strongest_penalty_leave_a_regression(c: float) -> None:
    members, label = make(0)
    found = fit_fusion(Stacking(kind="stacking", c=c), "none", members, truth_of(label))
    assert np.isfinite(apply(found, members, source="x").p).all()
    with pytest.raises(ValidationError, match="c\n"):
        Stacking(kind="stacking", c=c**50)


def test_stacking_of_two_classes_is_that_of_scikit_learn() -> None:
    members, label = make(3, 2, 80)
    label %= 2
    fitted = fit_fusion(Stacking(kind="stacking", c=0.1), "none", members, truth_of(label))
    ids = sorted(labels_of(label))
    logs = np.concatenate([np.log(m.aligned(ids).p.astype(np.float64)) for m in members], axis=1)
    expected = regression(logs, label, c=0.1)
    found = apply(fitted, members, source="f").aligned(ids).p[:, :2]
    np.testing.assert_allclose(found / found.sum(1, keepdims=True), expected, atol=1e-5)
