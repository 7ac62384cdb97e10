"""Expected calibration error and its bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.errors import FormatError
from benchmark.evaluation.scores import NUM_BINS, calibration

PROPERTY = settings(max_examples=50, deadline=None, derandomize=True)
CLIPS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80)


@PROPERTY
@given(CLIPS)
def test_ece_is_the_gap_of_the_bins_summed_clip_by_clip(clips: list[tuple[float, bool]]) -> None:
    confidence = np.array([c for c, _ in clips])
    correct = np.array([r for _, r in clips])
    expected = 0.0
    for b in range(NUM_BINS):
        low, high = np.linspace(0, 1, NUM_BINS + 1)[[b, b + 1]]
        inside = (confidence > low) & (confidence <= high) | ((b == 0) & (confidence == 0))
        if inside.any():
            expected += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert calibration(confidence, correct).ece == pytest.approx(expected)


@PROPERTY
@given(CLIPS)
def test_every_clip_is_in_one_bin_and_empty_bins_are_nan(clips: list[tuple[float, bool]]) -> None:
    confidence = np.array([c for c, _ in clips])
    result = calibration(confidence, np.array([r for _, r in clips]))
    assert result.count.sum() == len(clips)
    assert result.count.shape == (NUM_BINS,)
    assert (np.isnan(result.accuracy) == (result.count == 0)).all()
    assert (np.isnan(result.confidence) == (result.count == 0)).all()
    assert 0 <= result.ece <= 1


def test_always_sure_and_right_is_calibrated_and_sure_and_wrong_is_not() -> None:
    sure = np.ones(7, np.float32)
    assert calibration(sure, np.ones(7, bool)).ece == 0
    assert calibration(sure, np.zeros(7, bool)).ece == 1


def test_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    result = calibration(np.array([0.0, 0.5, 0.5000001, 1.0]), np.ones(4, bool), bins=2)
    assert result.count.tolist() == [2, 2]


def test_confidence_just_over_one_is_in_the_last_bin() -> None:
    result = calibration(np.array([1.00001], np.float32), np.ones(1, bool))
    assert result.count.tolist() == [0] * (NUM_BINS - 1) + [1]


@pytest.mark.parametrize(("confidences", "predictions"), [(0, 0), (2, 3)])
def test_calibration_refuses_what_does_not_match(confidences: int, predictions: int) -> None:
    with pytest.raises(FormatError, match=r"^calibration: needs one confidence and one prediction"):
        calibration(np.full(confidences, 0.5), np.ones(predictions, bool))
