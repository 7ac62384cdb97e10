"""The exact McNemar test."""

from __future__ import annotations

import gc
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

from benchmark.core.errors import FormatError
from benchmark.evaluation.significance import holm, mcnemar

PROPERTY = settings(max_examples=60, deadline=None, derandomize=True)


def pair(both: int, first: int, second: int) -> tuple[np.ndarray, np.ndarray]:
    one = np.array([True] * both + [True] * first + [False] * second)
    two = np.array([True] * both + [False] * first + [True] * second)
    return one, two


@PROPERTY
@given(st.integers(1, 9), st.integers(0, 40), st.integers(0, 40))
def test_p_value_is_both_tails_of_a_fair_coin(both: int, first: int, second: int) -> None:
    n, most = first + second, max(first, second)
    tail = sum(comb(n, k) for k in range(most, n + 1)) / 2**n
    found = mcnemar(*pair(both, first, second))
    assert found.p_value == pytest.approx(min(1.0, 2 * tail))
    assert (found.only_first, found.only_second) == (first, second)


@PROPERTY
@given(st.integers(0, 30), st.integers(0, 30))
def test_exchanging_the_systems_keeps_the_p_value(first: int, second: int) -> None:
    one, two = pair(1, first, second)
    assert mcnemar(one, two).p_value == pytest.approx(mcnemar(two, one).p_value)


def test_systems_that_agree_on_every_clip_cannot_be_told_apart() -> None:
    assert mcnemar(*pair(5, 0, 0)).p_value == 1


def test_the_worked_example_of_sixty_discordant_clips() -> None:
    # reference/field.md 4.1: of 60 discordant clips, 17 net ones are needed for p < 0.05.
    assert mcnemar(*pair(100, 39, 21)).p_value < 0.05
    assert mcnemar(*pair(100, 38, 22)).p_value > 0.05


@pytest.mark.parametrize(("first", "second"), [(0, 0), (2, 3)])
def test_mcnemar_refuses_different_or_no_clips(first: int, second: int) -> None:
    with pytest.raises(FormatError, match=r"^McNemar test: needs the predictions of two systems"):
        mcnemar(np.ones(first, bool), np.ones(second, bool))


# ---------------------------------------------------------------- several tests at once


def test_holm_of_the_worked_example() -> None:
    # Smallest times four, next times three, ...; never below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@pytest.fixture(scope="module")
def _frozen() -> None:
    # statsmodels collects garbage at every call: a second each beside what other tests have left.
    gc.freeze()


@pytest.mark.usefixtures("_frozen")
@settings(PROPERTY, max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    expected = multipletests(p_values, method="holm")[1]
    np.testing.assert_allclose(holm(p_values), expected, atol=1e-12)


@PROPERTY
@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_that_of_statsmodels(both: int, first: int, second: int) -> None:
    if both + first + second:
        expected = contingency_tables.mcnemar([[both, first], [second, 0]], exact=True).pvalue
        assert mcnemar(*pair(both, first, second)).p_value == pytest.approx(expected)
