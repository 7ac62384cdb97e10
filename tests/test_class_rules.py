"""Fusion rules that weigh classes against each other: reranker and product."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.core.errors import FormatError
from fused import labels_of, make, truth_of
from submission.fusion.fit import fit_fusion
from submission.fusion.fuse import stacked
from submission.fusion.rules.product import Product
from submission.fusion.rules.reranker import Reranker


def test_a_reranker_learns_whom_to_trust_where_the_mean_is_unsure() -> None:
    """Two members contradict each other on hard clips, and the second is right."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 6, 400)
    wrong = (label + rng.integers(1, 6, 400)) % 6
    p = np.full((2, 400, 6), 0.05)
    p[0, np.arange(400), wrong] = 0.75
    p[1, np.arange(400), label] = 0.75
    rule = Reranker(kind="reranker", k=2, margin=0.2, c=1.0, fewest=200)
    blend, _ = rule.fit(("a", "b"), p[:, :300], label[:300])
    assert (p.mean(0)[300:].argmax(1) == label[300:]).mean() < 0.8
    assert (blend(p[:, 300:]).argmax(1) == label[300:]).all()
    sure = np.full((2, 1, 6), 0.02)
    sure[:, 0, 3] = 0.9
    np.testing.assert_array_equal(blend(sure), sure.mean(0))
    with pytest.raises(FormatError, match="too few unsure clips to learn from; expected at least"):
        rule.fit(("a", "b"), p[:, :100], label[:100])


def test_a_product_prefers_the_class_whose_group_is_likely() -> None:
    p = np.array([[[0.40, 0.05, 0.02, 0.35, 0.18, 0.0]]])
    groups = {"rare": (0, 1, 2), "likely": (3, 4, 5)}
    blend, _ = Product(kind="product", groups=groups, strength=2.0).fit(("a",), p, np.zeros(1, int))
    fused = blend(p)
    assert fused[0].argmax() == 3
    want = p[0, 0] * np.repeat([0.47, 0.53], 3) ** 2
    np.testing.assert_allclose(fused[0], want / want.sum(), rtol=1e-12)
    rule = Product(kind="product", groups={"a": (0,), "b": (1,)}, strength=1.0)
    with pytest.raises(FormatError, match="each of 0 to 5 once"):
        rule.fit(("a",), p, np.zeros(1, int))


def test_the_least_number_of_clips_is_that_of_the_whole_fit_not_of_its_estimate() -> None:
    members, label = make(7)
    rule = Reranker(kind="reranker", k=3, margin=1.0, c=0.1, fewest=0)
    most = next(n for n in range(41, 0, -1) if not _refused(rule, n, members, label))
    fitted = fit_fusion(rule.model_copy(update={"fewest": most}), "none", members, truth_of(label))
    assert fitted.nested is not None, "a fit to four videos of five has fewer clips"


def _refused(rule: Reranker, fewest: int, members: list, label: np.ndarray) -> bool:
    p = stacked(members, tuple(labels_of(label)))[1]
    try:
        rule.model_copy(update={"fewest": fewest}).fit(("a", "b", "c"), p, label)
    except FormatError:
        return True
    return False
