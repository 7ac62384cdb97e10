"""F1 and average precision of intervals, against direct implementations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmark.contracts.intervals import Intervals, read_intervals, write_intervals
from benchmark.core.errors import FormatError, MismatchError
from benchmark.evaluation.online import (
    IOUS,
    class_scores,
    f1,
    match_counts,
    online_scores,
    right_ones,
)

CLASSES = ("nod", "wave", "rub")
NONE = np.zeros(0)


def intervals(rows: list[tuple[int, float, float, int, float]], videos: int = 3) -> Intervals:
    """Rows of video, start, end, label, score."""
    columns = np.array(rows, np.float64).reshape(-1, 5).T
    video, start, end, label, score = columns
    names = tuple(f"v{k}" for k in range(videos))
    return Intervals("mimic", "val", "mine", CLASSES, names, video.astype(np.int64), start, end,
                     label.astype(np.int64), score)  # fmt: skip


def some(rng: np.random.Generator, most: int) -> Intervals:
    rows = []
    for _ in range(rng.integers(most + 1)):
        start = int(rng.integers(20))
        rows.append((int(rng.integers(3)), start, start + int(rng.integers(1, 12)),
                     int(rng.integers(3)), round(float(rng.random()), 1)))  # fmt: skip
    return intervals(rows)


def overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    hull = max(a[1], b[1]) - min(a[0], b[0])
    return (min(a[1], b[1]) - max(a[0], b[0])) / hull if hull > 0 else 0.0


def as_rows(each: Intervals) -> list[tuple[int, int, float, float]]:
    return list(zip(each.video.tolist(), each.label.tolist(), each.start.tolist(),
                    each.end.tolist(), strict=True))  # fmt: skip


def direct_reference(truth: Intervals, found: Intervals) -> float:
    """The loop of the reference: the prediction that matched stays in the list."""
    hits = 0
    for video, label, start, end in as_rows(truth):
        for other, guess, begin, stop in as_rows(found):
            same = (other, guess) == (video, label)
            if same and overlap((start, end - 1), (begin, stop - 1)) > 0.3:
                hits += 1
                break
    if not len(truth) or not len(found):
        return 0.0
    recall, precision = hits / len(truth), hits / len(found)
    return 2 * recall * precision / (recall + precision + 0.0000001)


def direct_strict(truth: Intervals, found: Intervals) -> float:
    """Augmenting paths, one gesture after the other."""
    taken: dict[int, int] = {}
    guesses, gestures = as_rows(found), as_rows(truth)

    def place(gesture: int, seen: set[int]) -> bool:
        video, label, start, end = gestures[gesture]
        for k, (other, guess, begin, stop) in enumerate(guesses):
            same = (other, guess) == (video, label)
            if k in seen or not same or overlap((start, end), (begin, stop)) <= 0.3:
                continue
            seen.add(k)
            if k not in taken or place(taken[k], seen):
                taken[k] = gesture
                return True
        return False

    hits = sum(place(k, set()) for k in range(len(gestures)))
    return 2 * hits / max(len(gestures) + len(guesses), 1)


def joined(cases: list[Intervals]) -> Intervals:
    """All cases as videos of one split: quicker than one call for each."""
    rows = [(3 * k + v, start, end, label, 1.0)
            for k, case in enumerate(cases) for v, label, start, end in as_rows(case)]  # fmt: skip
    return intervals(rows, 3 * len(cases))


def test_f1_equals_a_direct_implementation_on_10000_random_cases() -> None:
    rng = np.random.default_rng(0)
    cases = [(some(rng, 8), some(rng, 8)) for _ in range(10_000)]
    truth, found = (joined([case[k] for case in cases]) for k in (0, 1))
    scores = {}
    for rule, direct in (("reference", direct_reference), ("strict", direct_strict)):
        counts = match_counts(truth, found, rule).reshape(-1, 3, 3).sum(1)
        scores[rule] = f1(counts, rule)
        wanted = [direct(*case) for case in cases]
        np.testing.assert_allclose(scores[rule], wanted, atol=1e-12, rtol=0)
    assert (scores["reference"] > scores["strict"] + 1e-6).sum() > 50, "the double match"


def direct_precision(truth: Intervals, found: Intervals, label: int, iou: float) -> float:
    """ActivityNet's average precision of one class, by its definition."""
    gestures = [row for row in as_rows(truth) if row[1] == label]
    order = sorted(np.flatnonzero(found.label == label), key=lambda k: -found.score[k])
    free, right = set(range(len(gestures))), []
    for k in order:
        video, _, begin, stop = as_rows(found)[k]
        pairs = [(overlap((g[2], g[3]), (begin, stop)), place) for place, g in enumerate(gestures)
                 if g[0] == video and place in free]  # fmt: skip
        best = max(pairs, key=lambda pair: (pair[0], -pair[1]), default=(0, -1))
        right.append(best[0] >= iou)
        free -= {best[1]} if right[-1] else set()
    recalls = [sum(right[: k + 1]) / len(gestures) for k in range(len(right))]
    precisions = [sum(right[: k + 1]) / (k + 1) for k in range(len(right))]
    steps = zip(recalls, [0.0, *recalls], strict=False)
    return sum((now - before) * max(precisions[k:]) for k, (now, before) in enumerate(steps))


def test_average_precision_equals_a_direct_implementation() -> None:
    rng = np.random.default_rng(1)
    for _ in range(150):
        truth, found = some(rng, 12), some(rng, 12)
        if not len(truth):
            continue
        wanted = [direct_precision(truth, found, label, iou)
                  for label in np.unique(truth.label) for iou in IOUS]  # fmt: skip
        scores = online_scores(truth, found, resamples=2, seed=0)
        assert scores.mean_ap == pytest.approx(np.mean(wanted), abs=1e-12)


def test_one_prediction_over_two_gestures_counts_twice_for_the_reference_alone() -> None:
    truth = intervals([(0, 0, 10, 1, 1), (0, 11, 21, 1, 1)])
    found = intervals([(0, 0, 21, 1, 0.9)])
    scores = online_scores(truth, found, resamples=10, seed=0)
    assert scores.f1_reference == pytest.approx(2 * 2 * 1 / (2 + 1))  # precision 2, recall 1
    assert (scores.precision, scores.recall) == (1.0, 0.5)
    assert scores.f1_strict == pytest.approx(2 / 3)


def test_an_overlap_of_exactly_three_tenths_is_too_little_and_one_frame_is_no_length() -> None:
    ten, three = intervals([(0, 0, 10, 0, 1)]), intervals([(0, 0, 3, 0, 1)])
    assert match_counts(ten, three, "strict")[0, 0] == 0
    one = intervals([(0, 5, 6, 0, 1)])
    assert match_counts(one, one, "strict")[0, 0] == 1
    assert match_counts(one, one, "reference")[0, 0] == 0, "first and last frame are one"


@pytest.mark.parametrize("rows", [[], [(1, 0.25, 7.75, 2, 3.0)], [(0, 0, 9e6, 0, 1)]])
def test_no_prediction_fractions_and_ends_past_the_video_have_scores(
    rows: list[tuple[int, float, float, int, float]],
) -> None:
    scores = online_scores(
        intervals([(1, 0, 8, 2, 1), (2, 0, 8, 2, 1)]), intervals(rows), resamples=20, seed=0
    )
    right = rows[:1] == [(1, 0.25, 7.75, 2, 3.0)]
    assert scores.f1_strict == pytest.approx(2 / 3 if right else 0)
    assert scores.mean_ap == pytest.approx(0.5 if right else 0)
    assert scores.predictions == len(rows)


def test_scores_of_classes_are_those_of_their_rows_and_nan_where_nothing_counts() -> None:
    rng = np.random.default_rng(3)
    truth, found = some(rng, 12), replace(some(rng, 12), least=(0.5, 0.5, 0.5))
    for row in class_scores(truth, found):
        gestures, sure = (each.rows(each.label == row.label) for each in (truth, found.sure()))
        assert (row.gestures, row.predictions) == (len(gestures), len(sure))
        assert row.f1 == pytest.approx(direct_strict(gestures, sure))
        if row.gestures:
            wanted = [direct_precision(truth, found, row.label, iou) for iou in IOUS]
            assert row.mean_ap == pytest.approx(np.mean(wanted), abs=1e-12)
    (alone,) = class_scores(intervals([]), intervals([(0, 0, 5, 2, 0.9)]))
    assert (alone.label, alone.gestures, alone.precision, alone.f1) == (2, 0, 0.0, 0.0)
    assert np.isnan([alone.recall, alone.mean_ap]).all()


def test_labels_that_overlap_are_found_one_by_one_and_fractions_to_the_fraction() -> None:
    truth = intervals([(0, 0, 10, 0, 1), (0, 2, 12, 0, 1), (0, 0, 10, 1, 1)])
    twice = intervals([(0, 0, 10, 0, 0.9), (0, 2, 12, 0, 0.8), (0, 2, 12, 1, 0.7)])
    scores = online_scores(truth, twice, resamples=2, seed=0)
    assert (scores.f1_strict, scores.precision, scores.recall) == (1.0, 1.0, 1.0)
    assert scores.ap_at["0.9"] == pytest.approx(0.5), "class 1 overlaps by 8 of 12 frames"
    third = intervals([(0, 0, 10, 0, 1)])
    assert match_counts(third, intervals([(0, 0, 3.01, 0, 1)]), "strict")[0, 0] == 1
    assert match_counts(third, intervals([(0, 0, 2.99, 0, 1)]), "strict")[0, 0] == 0


def test_intervals_resample_videos() -> None:
    rng = np.random.default_rng(2)
    rows = [(int(v), 20 * k, 20 * k + 10, 0, 1) for v in range(3) for k in range(5)]
    found = [row for row in rows if rng.random() < 0.3 + 0.3 * row[0]]
    scores = online_scores(intervals(rows), intervals(found), resamples=500, seed=0)
    assert scores.f1_strict_interval is not None
    assert scores.mean_ap_interval is not None
    assert scores.f1_strict_interval.low < scores.f1_strict < scores.f1_strict_interval.high
    alone = online_scores(intervals([(0, 0, 9, 0, 1)], 1), intervals([], 1), resamples=9, seed=0)
    assert alone.f1_strict_interval is None


def test_the_surest_prediction_takes_a_gesture_first() -> None:
    truth = intervals([(0, 0, 10, 0, 1)])
    found = intervals([(0, 0, 9, 0, 0.2), (0, 1, 10, 0, 0.8)])
    order: NDArray[np.int64] = np.array([1, 0])
    assert right_ones(truth, found, order, 0.5).tolist() == [True, False]


def test_what_is_written_is_read_and_a_wrong_row_is_named(tmp_path: Path) -> None:
    found = intervals([(2, 0.5, 4, 1, -3.25), (0, 1, 2, 0, 7)])
    write_intervals(found, tmp_path / "a.parquet")
    again = read_intervals(tmp_path / "a.parquet")
    for name in ("video", "start", "end", "label", "score"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    assert (again.videos, again.classes) == (found.videos, CLASSES)
    for wrong, changes in (
        ("unknown class", {"label": np.array([0, 3])}),
        ("no time in it", {"end": np.array([0.5, 2])}),
        ("starts before frame 0", {"start": np.array([-1, 1.0])}),
        ("not finite", {"score": np.array([np.nan, 1])}),
    ):
        with pytest.raises(FormatError, match=f"{wrong} in 1 row"):
            write_intervals(replace(found, **changes), tmp_path / "b.parquet")
    assert not (tmp_path / "b.parquet").exists()


def test_a_video_of_another_split_is_refused() -> None:
    with pytest.raises(MismatchError, match="1 video.* are not of the split, the first is v2"):
        intervals([(2, 0, 1, 0, 1)]).on(("v0", "v1"))
