"""Intervals come from resampling videos."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.metrics import f1_score

from benchmark.core.errors import FormatError
from benchmark.evaluation.bootstrap import Interval, f1_intervals, interval, paired_interval

PROPERTY = settings(max_examples=40, deadline=None, derandomize=True)
CLIPS = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.sampled_from("abcdefgh")), min_size=1, max_size=60
)
Rows = list[tuple[bool, bool, str]]


def columns(rows: Rows) -> tuple[np.ndarray, np.ndarray, list[str]]:
    first, second, videos = zip(*rows, strict=True)
    assume(len(set(videos)) > 1)
    return np.array(first), np.array(second), list(videos)


@PROPERTY
@given(CLIPS)
def test_interval_contains_the_score_itself(rows: Rows) -> None:
    correct, _, videos = columns(rows)
    found = interval(correct, videos, resamples=400, seed=0)
    assume(found is not None)  # one video, or all of one score
    assert 0 <= found.low <= correct.mean() + 1e-12
    assert correct.mean() - 1e-12 <= found.high <= 1


@PROPERTY
@given(CLIPS)
def test_paired_interval_contains_the_difference_and_turns_with_the_systems(rows: Rows) -> None:
    first, second, videos = columns(rows)
    found = paired_interval(first, second, videos, resamples=400, seed=0)
    assume(found is not None)
    assert found.low - 1e-12 <= first.mean() - second.mean() <= found.high + 1e-12
    turned = paired_interval(second, first, videos, resamples=400, seed=0)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


@PROPERTY
@given(CLIPS)
def test_interval_depends_on_neither_clip_order_nor_run(rows: Rows) -> None:
    correct, _, videos = columns(rows)
    order = np.random.default_rng(len(rows)).permutation(len(rows))
    shuffled = interval(correct[order], [videos[i] for i in order], resamples=50, seed=3)
    assert shuffled == interval(correct, videos, resamples=50, seed=3)


def test_another_seed_draws_other_videos() -> None:
    rng = np.random.default_rng(0)
    correct, videos = rng.random(300) < 0.6, [f"v{i % 17}" for i in range(300)]
    drawn = {interval(correct, videos, resamples=60, seed=seed).low for seed in range(5)}
    assert len(drawn) > 1


def test_clips_of_one_video_stand_and_fall_together() -> None:
    # Half of the videos all right, half all wrong: by clips +-3 points, by videos far more.
    videos = [f"v{i // 100}" for i in range(1000)]
    correct = np.array([int(video[1:]) % 2 == 0 for video in videos])
    by_video = interval(correct, videos, resamples=2000, seed=0)
    by_clip = interval(correct, [str(i) for i in range(1000)], resamples=2000, seed=0)
    assert by_clip.high - by_clip.low == pytest.approx(0.062, abs=0.01)
    assert by_video.high - by_video.low > 0.5


def test_interval_has_the_spread_of_the_binomial_where_each_video_is_one_clip() -> None:
    # 200 videos of one clip, 140 right: the standard error of 0.7 is 0.0324, times 1.96.
    correct = np.arange(200) < 140
    found = interval(correct, [str(i) for i in range(200)], resamples=20_000, seed=1)
    assert found.low == pytest.approx(0.7 - 0.0635, abs=0.006)
    assert found.high == pytest.approx(0.7 + 0.0635, abs=0.006)


def test_large_videos_weigh_by_their_clips() -> None:
    # 20 videos of one right clip and 20 of nine wrong ones: 10 % by clips, 50 % by videos.
    videos = [f"small{i}" for i in range(20)] + [f"large{i // 9}" for i in range(180)]
    correct = np.arange(200) < 20
    found = interval(correct, videos, resamples=2000, seed=0)
    assert found.low < 0.1 < found.high < 0.2


def test_one_video_alone_has_no_interval() -> None:
    correct = np.array([True] + [False] * 8)
    assert interval(correct, ["a"] * 9, resamples=10, seed=0) is None
    assert paired_interval(correct, ~correct, ["a"] * 9, resamples=10, seed=0) is None


@pytest.mark.parametrize("right", [True, False])
def test_videos_of_one_score_give_no_interval(right: bool) -> None:
    """No resample could be another one, and that is no sign of certainty."""
    correct = np.full(10, right)
    videos = [f"v{k}" for k in range(10)]
    assert interval(correct, videos, resamples=100, seed=0) is None
    assert paired_interval(correct, ~correct, videos, resamples=100, seed=0) is None


def test_the_same_system_twice_differs_by_nothing() -> None:
    correct = np.random.default_rng(0).random(50) < 0.5
    found = paired_interval(correct, correct, ["a", "b"] * 25, resamples=100, seed=0)
    assert found == Interval(low=0, high=0)
    assert not found.excludes_zero()


@pytest.mark.parametrize(("low", "high", "excludes"), [(0.1, 0.2, 1), (-0.2, -0.1, 1), (0, 1, 0)])
def test_excludes_zero_means_one_sign(low: float, high: float, excludes: int) -> None:
    assert Interval(low=low, high=high).excludes_zero() == bool(excludes)


def test_interval_refuses_a_low_end_above_its_high_end() -> None:
    with pytest.raises(ValidationError, match=r"low 0\.2 is above high 0\.1"):
        Interval(low=0.2, high=0.1)


@pytest.mark.parametrize(("clips", "videos"), [(0, 0), (2, 3)])
def test_interval_refuses_what_does_not_match(clips: int, videos: int) -> None:
    with pytest.raises(FormatError, match=r"^bootstrap: needs one prediction and one video"):
        interval(np.ones(clips, bool), ["v"] * videos, resamples=10, seed=0)


def test_paired_interval_refuses_systems_of_different_clips() -> None:
    with pytest.raises(FormatError, match=r"^bootstrap: the two systems differ in clips; found 2"):
        paired_interval(np.ones(2, bool), np.ones(3, bool), ["v"] * 2, resamples=10, seed=0)


def test_the_interval_of_a_class_is_that_of_its_f1_over_resampled_videos() -> None:
    rng = np.random.default_rng(0)
    label, predicted = rng.integers(0, 3, (2, 60))
    videos = [f"v{k % 6}" for k in range(60)]
    found = f1_intervals(predicted, label, videos, num_classes=4, resamples=300, seed=1)
    draws = np.random.default_rng(1).multinomial(6, np.full(6, 1 / 6), size=300)
    scores = []
    for times in draws:
        drawn = np.repeat(range(6), times)
        rows = np.concatenate([np.flatnonzero(np.arange(60) % 6 == video) for video in drawn])
        scores.append(f1_score(label[rows], predicted[rows], labels=range(3), average=None))
    np.testing.assert_allclose(found[:3], np.percentile(scores, (2.5, 97.5), axis=0).T)
    assert np.isnan(found[3]).all(), "a class without a clip"
    alone = f1_intervals(predicted, label, ["v"] * 60, num_classes=4, resamples=300, seed=1)
    assert np.isnan(alone).all(), "one video"
