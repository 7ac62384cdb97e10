"""How far a score could have been off with other videos: percentile bootstrap by video.

Clips of one video share a person, a camera and a mood. Resampling clips would treat them as
independent and give intervals that are too narrow. With few videos (10 in the validation split
of iMiGUE) percentile intervals are still rather too narrow than too wide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from benchmark.core.errors import FormatError
from benchmark.core.schema import Strict

PERCENTILES = (2.5, 97.5)


class Interval(Strict):
    """A 95 % interval, as fractions (a difference of two scores may be negative)."""

    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Interval:
        if not self.low <= self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self

    def excludes_zero(self) -> bool:
        """Tell whether every value in the interval has the same sign."""
        return self.low > 0 or self.high < 0


def percent(span: Interval | None, form: str = "{:.2f} to {:.2f}", *, without: str = "none") -> str:
    """Write an interval in per cent or points, or `without` where there is none."""
    return form.format(100 * span.low, 100 * span.high) if span else without


def resampled(span: Interval | None, unit: str = "%") -> str:
    """Write an interval behind its score, in per cent or points; nothing where there is none."""
    return f", {percent(span)} {unit} (95 %, videos resampled)" if span else ""


def interval(
    correct: NDArray[np.bool_], videos: Sequence[str], *, resamples: int, seed: int
) -> Interval | None:
    """Compute the 95 % interval of top-1; None if resampling tells nothing.

    That is so with one video, and with videos that all have the same score.

    The same arguments give the same interval, whatever the order of the clips.

    Args:
        correct: Whether the prediction of each clip is right, bool (N,).
        videos: The video of each of the N clips.
        resamples: Bootstrap samples.
        seed: Of their draw.

    Raises:
        FormatError: There are no clips, or not as many videos as predictions.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    return _interval(correct.astype(np.int64), videos, resamples, seed, paired=False)


def paired_interval(
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    videos: Sequence[str],
    *,
    resamples: int,
    seed: int,
) -> Interval | None:
    """Compute the 95 % interval of top-1 of `first` minus that of `second`, in [-1, 1].

    None with one video, and where all videos differ by the same other than 0.

    Both systems are scored on the same resampled videos, so what is hard for both cancels out.

    Args:
        first: Whether the first system predicts each clip correctly, bool (N,).
        second: The same of the second system, on the same clips.
        videos: The video of each of the N clips.
        resamples: Bootstrap samples.
        seed: Of their draw.

    Raises:
        FormatError: There are no clips, or the three do not have one entry per clip.
    """
    if first.shape != second.shape:
        raise FormatError(
            "bootstrap", "the two systems differ in clips", found=f"{len(first)} and {len(second)}"
        )
    points = first.astype(np.int64) - second.astype(np.int64)
    return _interval(points, videos, resamples, seed, paired=True)


def _interval(
    points: NDArray[np.int64], videos: Sequence[str], resamples: int, seed: int, *, paired: bool
) -> Interval | None:
    if len(points) != len(videos) or not len(points):
        needs = "needs one prediction and one video for each of at least one clip"
        found = f"{len(points)} predictions and {len(videos)} videos"
        raise FormatError("bootstrap", needs, found=found)
    if len({*videos}) < 2:
        return None
    # Only two systems that answer every clip alike differ by 0 for sure.
    if paired and not points.any():
        return Interval(low=0.0, high=0.0)
    return _middle(resampled_means(points[None], videos, resamples=resamples, seed=seed)[:, 0])


def _middle(scores: NDArray[np.float64]) -> Interval | None:
    low, high = np.percentile(scores, PERCENTILES)
    # Not "100.00 to 100.00": no resample could differ, which is no sign of certainty.
    return Interval(low=float(low), high=float(high)) if low < high else None


def f1_intervals(
    predicted: NDArray[np.int64], label: NDArray[np.int64], videos: Sequence[str],
    *, num_classes: int, resamples: int, seed: int,
) -> NDArray[np.float64]:  # fmt: skip
    """Compute the 95 % interval of the F1 of each class, float64 (K, 2) in [0, 1].

    NaN where resampling tells nothing: no clip, one video, no resample that differs. A resample
    without any clip or prediction of a class says nothing about it, and is left out for that class.

    Args:
        predicted: Predicted classes, int64 (N,).
        label: True classes, int64 (N,).
        videos: The video of each of the N clips.
        num_classes: K.
        resamples: Bootstrap samples of videos.
        seed: Of their draw.
    """
    found = np.full((num_classes, 2), np.nan)
    video = _numbered(videos)
    count = int(video.max()) + 1
    if count < 2:
        return found
    times = _drawn(count, resamples, seed)

    def drawn(classes: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count clips of each class in each resample, (resamples, K)."""
        cells = np.bincount(which * num_classes + classes, minlength=count * num_classes)
        return times @ cells.reshape(count, num_classes)

    right = predicted == label
    both = drawn(label, video) + drawn(predicted, video)
    with np.errstate(invalid="ignore"):
        f1 = 2 * drawn(label[right], video[right]) / both
    for k in np.unique(label):
        low, high = np.nanpercentile(f1[:, k], PERCENTILES)
        if low < high:
            found[k] = low, high
    return found


def interval_of(
    score: Callable[[NDArray[np.int64]], NDArray[np.float64]], videos: int, *, resamples: int,
    seed: int,
) -> Interval | None:  # fmt: skip
    """Compute the 95 % interval of any score of videos; None if resampling tells nothing.

    Args:
        score: Computes it from how often each video counts, (resamples, videos) -> (resamples,).
        videos: Number of videos.
        resamples: Bootstrap samples.
        seed: Of their draw.
    """
    if videos < 2:
        return None
    return _middle(score(_drawn(videos, resamples, seed)))


def resampled_means(
    values: NDArray[np.number], groups: Sequence[str], *, resamples: int, seed: int
) -> NDArray[np.float64]:
    """Compute the means of many systems on the same resampled groups of clips, (R, S).

    Args:
        values: Of S systems on N clips, (S, N).
        groups: The group of each clip.
        resamples: R.
        seed: Of their draw.
    """
    group = _numbered(groups)
    sizes = np.bincount(group)
    sums = np.stack([np.bincount(group, row).astype(np.float64) for row in values])
    times = _drawn(len(sizes), resamples, seed)
    # A ratio of sums, not a mean of the groups' means: a large group weighs by its clips.
    return (times @ sums.T) / (times @ sizes)[:, None]


def _numbered(videos: Sequence[str]) -> NDArray[np.int64]:
    # `unique` sorts the videos, so the draw does not depend on the order of the clips.
    return np.unique(np.asarray(videos, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


def _drawn(videos: int, resamples: int, seed: int) -> NDArray[np.int64]:
    # Drawing V videos with replacement is the same as drawing how often each of them comes: one
    # row of V counts replaces a list of clips, and sums over resamples are matrix products.
    share = np.full(videos, 1 / videos)
    return np.random.default_rng(seed).multinomial(videos, share, size=resamples)
