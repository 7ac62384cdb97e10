"""Scores of online recognition: F1 by two rules of matching, and average precision."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from benchmark.core.errors import MismatchError
from benchmark.core.schema import NotNegative, Share, Strict
from benchmark.evaluation.bootstrap import Interval, interval_of

if TYPE_CHECKING:
    from benchmark.contracts.intervals import Intervals

Rule: TypeAlias = Literal["reference", "strict"]
RULES: tuple[Rule, ...] = get_args(Rule)
OVERLAP = 0.3
"""Intersection over union that a pair must exceed (MiGA)."""


def match_counts(truth: Intervals, found: Intervals, rule: Rule) -> NDArray[np.int64]:
    """Count per video, int64 (V, 3): gestures that are found, predictions, gestures.

    A pair has one video and one class, and an overlap above 0.3. `reference` measures it between
    first and last frames, and takes every gesture that has a pair as found: the code means to use
    up the prediction, but drops what `numpy.delete` returns. `strict` measures it in frames, and
    forms as many pairs as possible, each of one prediction and one gesture.

    Source: tester_SMG in THDutils.py of github.com/mikecheninoulu/SMG.
    """
    counts = np.zeros((len(truth.videos), 3), np.int64)
    counts[:, 1] = np.bincount(found.video, minlength=len(counts))
    counts[:, 2] = np.bincount(truth.video, minlength=len(counts))
    last = 1.0 if rule == "reference" else 0.0  # half-open frames end one after the last
    theirs = _by_video_and_class(found)
    for (video, label), rows in _by_video_and_class(truth).items():
        if (others := theirs.get((video, label))) is None:
            continue
        pairs = _overlaps(truth, rows, found, others, last) > OVERLAP
        if rule == "reference":
            counts[video, 0] += pairs.any(1).sum()
        else:
            counts[video, 0] += (maximum_bipartite_matching(csr_array(pairs)) >= 0).sum()
    return counts


def right_ones(
    truth: Intervals, found: Intervals, order: NDArray[np.int64], least: float
) -> NDArray[np.bool_]:
    """Tell which rows `order` of `found` are right: surest first, each takes the closest gesture.

    Args:
        truth: Labels.
        found: A system's intervals.
        order: Rows of `found`, the surest first.
        least: Overlap that a gesture of the same video and class needs to be taken, once.

    Source: ActivityNet's evaluation, which OpenTAD has too (opentad/evaluations/mAP.py).
    """
    free, right = np.ones(len(truth), np.bool_), np.zeros(len(order), np.bool_)
    groups = _by_video_and_class(truth)
    for place, row in enumerate(order):
        rows = groups.get((int(found.video[row]), int(found.label[row])))
        if rows is None or not free[rows].any():
            continue
        rows = rows[free[rows]]
        overlap = _overlaps(truth, rows, found, np.array([row]))[:, 0]
        if overlap.max() >= least:
            free[rows[overlap.argmax()]] = False
            right[place] = True
    return right


def _by_video_and_class(each: Intervals) -> dict[tuple[int, int], NDArray[np.int64]]:
    keys = each.video * len(each.classes) + each.label
    order = np.argsort(keys, kind="stable")
    groups, starts = np.unique(keys[order], return_index=True)
    parts = np.split(order, starts[1:])
    return {divmod(int(key), len(each.classes)): part
            for key, part in zip(groups, parts, strict=False)}  # fmt: skip


def _overlaps(
    truth: Intervals, rows: NDArray[np.int64], found: Intervals, others: NDArray[np.int64],
    last: float = 0.0,
) -> NDArray[np.float64]:  # fmt: skip
    # Intersection over union of each pair, (rows, others); intervals end `last` frames earlier.
    start, end = truth.start[rows, None], truth.end[rows, None] - last
    begins, ends = found.start[others], found.end[others] - last
    both = np.minimum(end, ends) - np.maximum(start, begins)
    # A hull, as in the reference: of intervals that overlap it is the union. One frame has none.
    hull = np.maximum(end, ends) - np.minimum(start, begins)
    return np.divide(both, hull, out=np.zeros_like(both), where=hull > 0)


IOUS = tuple(round(0.1 * k, 1) for k in range(1, 10))
"""Least overlaps of average precision, as in the detection track of MAC."""
AT_ONCE = 2_000_000
"""Numbers of a matrix of resamples and predictions: bounds the memory."""


class OnlineScores(Strict):
    """How well the intervals of one split were found."""

    f1_reference: NotNegative
    """F1 as MiGA's reference code counts. A prediction can be right twice: it may exceed 1."""
    f1_strict: Share
    precision: Share
    """Share of the predictions that are right, by the strict rule."""
    recall: Share
    """Share of the labeled gestures that are found, by the strict rule."""
    mean_ap: Share
    """Average precision, mean over classes with a label and over overlaps of 0.1 to 0.9."""
    ap_at: dict[str, Share]
    """Average precision at each of these overlaps, mean over classes with a label."""
    f1_reference_interval: Interval | None
    """95 %, by resampling videos; null where that tells nothing."""
    f1_strict_interval: Interval | None
    mean_ap_interval: Interval | None
    predictions: int
    gestures: int
    videos: int


class ClassScores(NamedTuple):
    """How well the gestures of one class were found, by the strict rule; NaN of nothing."""

    label: int
    gestures: int
    predictions: int
    precision: float
    recall: float
    f1: float
    mean_ap: float


def online_scores(truth: Intervals, found: Intervals, *, resamples: int, seed: int) -> OnlineScores:
    """Score `found` against the labels `truth`; both list the same videos.

    Args:
        truth: From `labeled`.
        found: A system's. Average precision ranks all rows, F1 takes those that count as found. No
            interval at all scores 0.
        resamples: Bootstrap samples of videos.
        seed: Of their draw.

    Raises:
        MismatchError: They are of other classes, or `found` has a video that `truth` lacks.
    """
    if found.classes != truth.classes:
        raise MismatchError(f"intervals of {found.source}", "the classes are not the edition's")
    found = found.on(truth.videos)
    reference, strict = (match_counts(truth, found.sure(), rule) for rule in RULES)
    curves = [curve for k in np.unique(truth.label).tolist() for curve in _curves(truth, found, k)]
    everything = np.ones((1, len(truth.videos)), np.int64)

    def spread(score: Callable[[NDArray[np.int64]], NDArray[np.float64]]) -> Interval | None:
        return interval_of(score, len(truth.videos), resamples=resamples, seed=seed)

    by_overlap = _mean_ap(curves, everything)[0].tolist()
    hits, predictions, gestures = strict.sum(0).tolist()
    return OnlineScores(
        f1_reference=float(f1(reference.sum(0), "reference")),
        f1_strict=float(f1(strict.sum(0), "strict")),
        precision=hits / max(predictions, 1),
        recall=hits / max(gestures, 1),
        mean_ap=float(np.mean(by_overlap)),
        ap_at={str(iou): ap for iou, ap in zip(IOUS, by_overlap, strict=True)},
        f1_reference_interval=spread(lambda times: f1(times @ reference, "reference")),
        f1_strict_interval=spread(lambda times: f1(times @ strict, "strict")),
        mean_ap_interval=spread(lambda times: _mean_ap(curves, times).mean(1)),
        predictions=predictions, gestures=gestures, videos=len(truth.videos),
    )  # fmt: skip


def class_scores(truth: Intervals, found: Intervals) -> list[ClassScores]:
    """Score each class that has a label, or an interval that counts as found."""
    everything, scores = np.ones((1, len(truth.videos)), np.int64), []
    for label in np.union1d(truth.label, found.sure().label).tolist():
        gestures, guesses = (each.rows(each.label == label) for each in (truth, found))
        counts = match_counts(gestures, guesses.sure(), "strict").sum(0)
        hits, predictions, labeled = counts.tolist()
        ap = _mean_ap(list(_curves(gestures, guesses, label)), everything).mean()
        scores.append(
            ClassScores(
                label, labeled, predictions,
                precision=hits / predictions if predictions else math.nan,
                recall=hits / labeled if labeled else math.nan, f1=float(f1(counts, "strict")),
                mean_ap=float(ap) if labeled else math.nan,
            )
        )  # fmt: skip
    return scores


def f1(counts: NDArray[np.int64], rule: Rule) -> NDArray[np.float64]:
    """Compute F1 of counts (..., 3) as `match_counts` has them, pooled over videos; 0 of none."""
    hits, predictions, gestures = np.moveaxis(counts.astype(np.float64), -1, 0)
    if rule == "strict":
        return 2 * hits / np.maximum(predictions + gestures, 1)
    precision, recall = hits / np.maximum(predictions, 1), hits / np.maximum(gestures, 1)
    return 2 * precision * recall / (precision + recall + 1e-7)  # the code's own small number


class _Curve(NamedTuple):
    """One class at one overlap: the predictions from the surest on, and which are right."""

    video: NDArray[np.int64]
    right: NDArray[np.bool_]
    gestures: NDArray[np.int64]
    """Of the class in each video, (V,)."""

    def average_precision(self, times: NDArray[np.int64]) -> NDArray[np.float64]:
        """Compute it for videos that count `times` (B, V); 0 without a gesture; (B,)."""
        weight = times[:, self.video]
        hits = np.cumsum(weight * self.right, axis=1)
        precision = hits / np.maximum(np.cumsum(weight, axis=1), 1)
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        return (best * weight * self.right).sum(1) / np.maximum(times @ self.gestures, 1)


def _curves(truth: Intervals, found: Intervals, label: int) -> Iterator[_Curve]:
    """Yield the curve of a class at each overlap."""
    gestures = np.bincount(truth.video[truth.label == label], minlength=len(truth.videos))
    order = np.flatnonzero(found.label == label)
    order = order[np.argsort(-found.score[order], kind="stable")]
    for iou in IOUS:
        yield _Curve(found.video[order], right_ones(truth, found, order, iou), gestures)


def _mean_ap(curves: Sequence[_Curve], times: NDArray[np.int64]) -> NDArray[np.float64]:
    """Average over the classes that have a gesture in videos that count `times` (B, V).

    `curves` are those of class after class at every overlap; returns (B, overlaps).
    """
    longest = max((len(curve.video) for curve in curves), default=0)
    means = []
    for part in np.array_split(times, -(-times.shape[0] * longest // AT_ONCE) or 1):
        shape = (-1, len(IOUS), len(part))
        each = np.array([curve.average_precision(part) for curve in curves]).reshape(shape)
        known = np.array([curve.gestures @ part.T > 0 for curve in curves]).reshape(shape)
        means.append(each.sum(0) / np.maximum(known.sum(0), 1))
    return np.concatenate(means, axis=1).T
