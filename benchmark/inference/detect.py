"""Window scores -> gestures: smooth, group, suppress what overlaps, keep what is sure enough."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from benchmark.contracts.intervals import Intervals
from benchmark.core.schema import AboveZero, NotNegative, Strict
from benchmark.evaluation.online import OVERLAP, right_ones
from benchmark.params.params import Grouping, Online

if TYPE_CHECKING:
    from benchmark.contracts.window_scores import WindowScores

FEWEST = 5
"""Labeled gestures of validation that a class needs for a threshold of its own."""

LEAST_SMOOTHING = 0.125
"""Below it, the Gaussian reaches no neighbor: SciPy cuts it off at four standard deviations."""


class Detector(Strict):
    """What turns window scores into gestures: `detector.json`."""

    format: Literal["detector/1"] = "detector/1"
    source: str
    """Experiment that scores the windows."""
    window: AboveZero
    """Seconds of a window."""
    step: AboveZero
    """Seconds from the start of a window to that of the next."""
    grouping: Grouping
    classes: tuple[str, ...]
    thresholds: tuple[NotNegative, ...]
    """Least score of each class, fitted on validation."""
    common: NotNegative
    """The threshold of classes with few gestures in validation."""


class _Runs(NamedTuple):
    """Runs of windows: first and last one, class, mean probability; (N,) each."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    label: NDArray[np.int64]
    score: NDArray[np.float64]


def candidates(scores: WindowScores, grouping: Grouping) -> Intervals:
    """Find every candidate of every video, with scores after soft-NMS.

    A candidate reaches from the middle between its first window and the one before to the middle
    between its last window and the one after.
    """
    videos, parts = [], []
    for place, (video, rows) in enumerate(scores.by_video()):
        videos.append(video)
        start, end = scores.start[rows], scores.end[rows]
        runs = _runs(scores.p[rows], grouping)
        centers = (start + end).astype(np.float64) / 2
        middles = (centers[1:] + centers[:-1]) / 2
        edges = np.concatenate([[float(start[0])], middles, [float(end[-1])]])
        begins, ends = edges[runs.first], edges[runs.last + 1]
        left = _suppressed(begins, ends, runs, grouping.soft_nms)
        parts.append(np.stack([np.full(len(left), place), begins, ends, runs.label, left]))
    table = np.concatenate(parts, axis=1) if parts else np.zeros((5, 0))
    return Intervals(
        scores.edition, scores.split, scores.source, scores.classes, tuple(videos),
        table[0].astype(np.int64), table[1], table[2], table[3].astype(np.int64), table[4],
    )  # fmt: skip


def detected(found: Intervals, detector: Detector, name: str) -> Intervals:
    """Return the candidates in order of time, with the least score that counts in each class."""
    order = np.lexsort((found.label, found.start, found.video))
    return replace(found.rows(order), source=name, least=detector.thresholds)


def fit_detector(found: Intervals, truth: Intervals, spec: Online) -> Detector:
    """Fit the thresholds of an entry of section `online` to its candidates in validation."""
    thresholds, common = fit_thresholds(found, truth)
    return Detector(
        source=spec.source, window=spec.window, step=spec.step, grouping=spec.grouping,
        classes=found.classes, thresholds=tuple(thresholds), common=common,
    )  # fmt: skip


def fit_thresholds(found: Intervals, truth: Intervals) -> tuple[list[float], float]:
    """Find the least score of each class with the largest strict F1, and one for all classes.

    F1 of all classes together is a fraction, 2 hits / (predictions + gestures), so its best value
    is found by Dinkelbach's method: for a guess of it, each class is maximized alone. A class with
    fewer than `FEWEST` gestures in `truth` takes the common threshold.

    Raises:
        MismatchError: A candidate lies in a video without labels.

    Source: Dinkelbach, On Nonlinear Fractional Programming, Management Science 13, 1967.
    """
    found = found.on(truth.videos)
    order = np.argsort(-found.score, kind="stable")
    right = right_ones(truth, found, order, np.nextafter(OVERLAP, 1))
    score, label = found.score[order], found.label[order]
    (common,) = _best_cuts([(score, right)], len(truth))
    gestures = np.bincount(truth.label, minlength=len(found.classes))
    own = np.flatnonzero(gestures >= FEWEST)
    curves = [(score[label == k], right[label == k]) for k in own]
    thresholds = [common] * len(found.classes)
    for k, cut in zip(own, _best_cuts(curves, int(gestures[own].sum())), strict=True):
        thresholds[k] = cut
    return thresholds, common


def _best_cuts(
    curves: list[tuple[NDArray[np.float64], NDArray[np.bool_]]], gestures: int
) -> list[float]:
    """Cut each curve of (scores from the surest on, which are right) for the largest joint F1."""
    best, cuts = 0.0, [0] * len(curves)
    while True:
        gains = [np.concatenate([[0.0], np.cumsum(2.0 * right - best)]) for _, right in curves]
        cuts = [int(gain.argmax()) for gain in gains]
        hits = sum(int(right[:cut].sum()) for (_, right), cut in zip(curves, cuts, strict=True))
        value = 2 * hits / max(sum(cuts) + gestures, 1)
        if value <= best + 1e-12:
            break
        best = value
    # Above every score where nothing is worth keeping; between two scores otherwise.
    return [
        float(score[cut - 1] + (score[cut] if cut < len(score) else 0)) / 2 if cut
        else float(score[0]) * 1.001 + 1e-6 if len(score) else 1.0
        for (score, _), cut in zip(curves, cuts, strict=True)
    ]  # fmt: skip


def _runs(p: NDArray[np.float32], grouping: Grouping) -> _Runs:
    """Find the runs of the windows of one video at each level; equal ones once."""
    smooth = p.astype(np.float64)
    if grouping.smoothing > LEAST_SMOOTHING:
        smooth = gaussian_filter1d(smooth, grouping.smoothing, axis=0, mode="nearest")
    found = []
    for level in grouping.levels:
        # Class after class, with a gap between them: a run never goes on in the next class.
        high = np.zeros((p.shape[1], len(p) + 2), np.int8)
        high[:, 1:-1] = (smooth >= level).T
        change = np.diff(high, axis=1)
        label, first = np.nonzero(change == 1)
        last = np.nonzero(change == -1)[1] - 1
        found.append(np.stack([label, first, last]))
    label, first, last = np.unique(np.concatenate(found, axis=1), axis=1)
    sums = np.concatenate([np.zeros((1, p.shape[1])), np.cumsum(smooth, axis=0)])
    score = (sums[last + 1, label] - sums[first, label]) / (last + 1 - first)
    return _Runs(first, last, label, score)


def _suppressed(
    start: NDArray[np.float64], end: NDArray[np.float64], runs: _Runs, sigma: float
) -> NDArray[np.float64]:
    """Lower the scores of candidates that overlap surer ones of their class (Gaussian soft-NMS).

    Args:
        start: First frame of each run, (N,).
        end: The frame after its last one.
        runs: Their classes and scores.
        sigma: Width of the decay.

    Source: Bodla et al., Soft-NMS, ICCV 2017, equation 3.
    """
    left = runs.score.copy()
    order = np.lexsort((start, runs.label))  # runs of one class nest or lie apart
    reach = np.maximum.accumulate(end[order] + runs.label[order] * (end.max(initial=0) + 1))
    begin = start[order] + runs.label[order] * (end.max(initial=0) + 1)
    apart = np.flatnonzero(begin[1:] >= reach[:-1]) + 1
    bounds = np.concatenate([[0], apart, [len(order)]])
    for group in np.flatnonzero(np.diff(bounds) > 1):
        rows = order[bounds[group] : bounds[group + 1]]
        left[rows] = _soft_nms(start[rows], end[rows], left[rows], sigma)
    return left


def _soft_nms(
    start: NDArray[np.float64], end: NDArray[np.float64], score: NDArray[np.float64], sigma: float
) -> NDArray[np.float64]:
    left, waits = score.copy(), np.ones(len(score), np.bool_)
    for _ in range(len(score)):
        best = int(np.where(waits, left, -1).argmax())
        waits[best] = False
        both = np.minimum(end, end[best]) - np.maximum(start, start[best])
        hull = np.maximum(end, end[best]) - np.minimum(start, start[best])
        decay = np.exp(-((np.maximum(both, 0) / hull) ** 2) / sigma)
        left = np.where(waits, left * decay, left)
    return left
