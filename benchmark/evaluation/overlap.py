"""Which intervals of a system are right: pairs of one video and one class that overlap enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    """Compute the intersection over union of each pair, (rows, others).

    Args:
        truth: Labels.
        rows: Some of their rows.
        found: A system's intervals.
        others: Some of their rows.
        last: How many frames earlier every interval ends.
    """
    start, end = truth.start[rows, None], truth.end[rows, None] - last
    begins, ends = found.start[others], found.end[others] - last
    both = np.minimum(end, ends) - np.maximum(start, begins)
    # A hull, as in the reference: of intervals that overlap it is the union. One frame has none.
    hull = np.maximum(end, ends) - np.minimum(start, begins)
    return np.divide(both, hull, out=np.zeros_like(both), where=hull > 0)
