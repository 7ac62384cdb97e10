"""Window scores become gestures: smoothed, grouped, suppressed, and cut where F1 is largest."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.contracts.clips import Clip, Clips
from benchmark.contracts.intervals import Intervals
from benchmark.contracts.window_scores import (
    WindowScores,
    check_windows,
    read_window_scores,
    write_window_scores,
)
from benchmark.core.errors import FormatError, MismatchError
from benchmark.editions.edition import read_edition
from benchmark.evaluation.online import f1, match_counts
from benchmark.inference.detect import candidates, detected, fit_detector, fit_thresholds
from benchmark.params.params import Grouping, Online
from test_online_scores import intervals

CLASSES = ("nod", "wave", "rub")
PLAIN = Grouping(smoothing=0, levels=(0.5,), soft_nms=0.3)


def windows(*p: tuple[float, ...], video: str = "v0", step: int = 5) -> WindowScores:
    """Windows of 10 frames, `step` apart."""
    start = step * np.arange(len(p))
    rows = np.array(p, np.float32)
    return WindowScores(
        "mimic", "val", "joint", CLASSES, (video,) * len(p), start, start + 10, rows
    )


def shown(found: object) -> list[tuple[float, ...]]:
    columns = (getattr(found, name) for name in ("start", "end", "label", "score"))
    return [tuple(np.round(row, 3)) for row in zip(*columns, strict=True)]


def test_a_run_reaches_from_the_middle_before_it_to_the_middle_after_it() -> None:
    a, b = (0.9, 0.1, 0.0), (0.2, 0.8, 0.0)
    found = candidates(windows(a, a, b, b, b, a), PLAIN)
    assert shown(found) == [(0, 12.5, 0, 0.9), (27.5, 35, 0, 0.9), (12.5, 27.5, 1, 0.8)]


def test_smoothing_closes_a_gap_of_one_window() -> None:
    high, low = (0.9, 0.1, 0.0), (0.4, 0.6, 0.0)
    scores = windows(high, high, low, high, high)
    assert len(candidates(scores, PLAIN)) == 3
    smooth = candidates(scores, PLAIN.model_copy(update={"smoothing": 1.0}))
    assert [row[:3] for row in shown(smooth)] == [(0, 30, 0)]


def test_an_inner_run_loses_score_to_the_surer_outer_one() -> None:
    scores = windows((0.4, 0.6, 0), (0.9, 0.1, 0), (0.4, 0.6, 0))
    spec = Grouping(smoothing=0, levels=(0.3, 0.8), soft_nms=0.5)
    nods = [row for row in shown(candidates(scores, spec)) if row[2] == 0]
    overlap = 5 / 20
    assert nods == [
        (0, 20, 0, round(np.exp(-(overlap**2) / 0.5) * 1.7 / 3, 3)),
        (7.5, 12.5, 0, 0.9),
    ]


@given(
    p=st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=30),
    smoothing=st.floats(0, 3),
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_candidates_lie_within_the_windows_and_their_scores_within_0_and_1(
    p: list[tuple[float, ...]], smoothing: float
) -> None:
    spec = Grouping(smoothing=smoothing, levels=(0.2, 0.5), soft_nms=0.3)
    found = candidates(windows(*p), spec)
    assert ((found.start >= 0) & (found.start < found.end)).all()
    assert (found.end <= 5 * (len(p) - 1) + 10).all()
    assert ((found.score >= 0) & (found.score <= 1 + 1e-6)).all()


def value(truth: Intervals, found: Intervals, cuts: tuple[float, ...]) -> float:
    kept = replace(found, least=(*cuts, 9.0)).sure()
    return float(f1(match_counts(truth, kept, "strict").sum(0), "strict"))


def test_thresholds_reach_the_best_joint_f1_of_all_cuts() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        rows = [(0, 20 * k, 20 * k + 10, int(rng.integers(2)), 1.0) for k in range(14)]
        rows += [(0, 400 + 20 * k, 410 + 20 * k, k % 2, 1.0) for k in range(10)]  # 5 of each
        truth = intervals(rows, 1)
        guesses = [(v, s, e, label if rng.random() < 0.7 else 1 - label, float(rng.random()))
                   for v, s, e, label, _ in rows if rng.random() < 0.8]  # fmt: skip
        found = intervals(guesses, 1)
        thresholds, _ = fit_thresholds(found, truth)

        every = [*found.score.tolist(), 2.0]
        best = max(value(truth, found, cuts) for cuts in product(every, every))
        assert value(truth, found, (thresholds[0], thresholds[1])) == pytest.approx(best)


def test_a_class_with_few_labels_takes_the_common_threshold() -> None:
    rows = [(0, 20 * k, 20 * k + 10, 0, 1.0) for k in range(6)]
    truth = intervals([*rows, (0, 200, 210, 1, 1.0)], 1)
    guesses = [(0, 20 * k, 20 * k + 10, 0, 0.5 + 0.05 * k) for k in range(6)]
    found = intervals([*guesses, (0, 300, 310, 1, 0.95), (0, 320, 330, 0, 0.3)], 1)
    thresholds, common = fit_thresholds(found, truth)
    assert thresholds[1] == thresholds[2] == common
    assert 0.3 < thresholds[0] <= 0.5


def test_without_any_right_candidate_nothing_counts_as_found() -> None:
    truth = intervals([(0, 0, 10, 0, 1.0)] * 5, 1)
    found = intervals([(0, 50, 60, 0, 0.9), (0, 70, 80, 1, 0.8)], 1)
    spec = Online(edition="mimic", source="joint", window=1, step=0.5, grouping=PLAIN)
    kept = detected(found, fit_detector(found, truth, spec), "online")
    assert len(kept) == 2
    assert len(kept.sure()) == 0


def test_window_scores_are_read_as_written_and_refused_out_of_order(tmp_path: Path) -> None:
    scores = windows((0.1, 0.2, 0.7), (0.3, 0.3, 0.4))
    write_window_scores(scores, tmp_path / "a.parquet")
    again = read_window_scores(tmp_path / "a.parquet")
    np.testing.assert_array_equal(again.p, scores.p)
    assert (again.video, again.source) == (scores.video, "joint")
    write_window_scores(replace(scores, start=np.array([5, 0])), tmp_path / "b.parquet")
    with pytest.raises(FormatError, match="windows out of their order"):
        read_window_scores(tmp_path / "b.parquet")


@pytest.mark.parametrize(
    "change",
    [
        {"end": np.array([0, 5])},
        {"p": np.array([[0.5, 0.7, -0.2], [1, 0, 0]], np.float32)},
        {"p": np.array([[0.5, 0.4, 0.0], [1, 0, 0]], np.float32)},
        {"video": (), "start": np.array([]), "end": np.array([]), "p": np.zeros((0, 3))},
    ],
)
def test_window_scores_that_are_none_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    scores = windows((0.1, 0.2, 0.7), (0.3, 0.3, 0.4))
    write_window_scores(replace(scores, **change), tmp_path / "c.parquet")
    with pytest.raises(FormatError, match=r"out of their order|no probabilities"):
        read_window_scores(tmp_path / "c.parquet")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"edition": "imigue"}, "edition"),
        ({"source": "limb"}, "experiment"),
        ({"classes": ("nod", "rub", "wave")}, "classes"),
        ({"video": ("v1", "v1")}, "videos"),
        ({"split": "test"}, "videos"),
    ],
)
def test_window_scores_of_something_else_are_refused(change: dict[str, Any], what: str) -> None:
    clip = Clip("v0_0", "v0", "p", "val", 0, 0, 30, 25.0, 64, 64, excluded=False)
    edition = read_edition("mimic").model_copy(update={"classes": CLASSES})
    clips = Clips("mimic", (clip, replace(clip, clip_id="v2_0", video="v2", split="test")))
    scores = windows((0.1, 0.2, 0.7), (0.3, 0.3, 0.4))
    check_windows(scores, clips, edition, source="joint", where="val.parquet")
    with pytest.raises(MismatchError, match=f"of other {what}"):
        check_windows(
            replace(scores, **change), clips, edition, source="joint", where="val.parquet"
        )
