"""The exact McNemar test."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import FormatError
from benchmark.evaluation.significance import mcnemar

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
    with pytest.raises(FormatError, match=r"^McNemar test: needs the answers of two systems"):
        mcnemar(np.ones(first, bool), np.ones(second, bool))
