"""What stage predict writes of its scores: metrics.json and predictions.csv; calibration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import FormatError
from benchmark.core.files import csv_text, write_text
from benchmark.core.schema import Positive, Share
from benchmark.editions.edition import groups_of
from benchmark.evaluation.metrics import Metrics, class_scores, correctness, ranking, score

if TYPE_CHECKING:
    from benchmark.contracts.predictions import Probabilities

NUM_BINS = 15
"""Equal-width bins of confidence, as in Guo et al. 2017."""

PREDICTIONS = ("clip_id", "label", "prediction", "probability")
"""Columns of predictions.csv."""


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy in B bins of equal width over [0, 1].

    Bin b holds the clips with confidence in (edges[b], edges[b + 1]]; confidence 0 is in bin 0.
    """

    ece: float
    """Expected calibration error in [0, 1]: mean gap of the bins, weighted by their clips."""
    edges: NDArray[np.float64]
    """Float64 (B + 1,), from 0 to 1."""
    count: NDArray[np.int64]
    """Clips in each bin, int64 (B,)."""
    confidence: NDArray[np.float64]
    """Mean confidence of each bin, float64 (B,) in [0, 1]; NaN where the bin is empty."""
    accuracy: NDArray[np.float64]
    """Share of correct predictions in each bin, float64 (B,) in [0, 1]; NaN where it is empty."""


def calibration(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], *, bins: int = NUM_BINS
) -> Calibration:
    """Compute the expected calibration error with the bins that it is summed over.

    `confidence` (N,) in [0, 1] is the probability of the prediction, `correct` bool (N,) whether
    the prediction is right.

    Raises:
        FormatError: There are no clips, or not as many confidences as predictions.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    if confidence.shape != correct.shape or correct.ndim != 1 or not len(correct):
        needs = "needs one confidence and one prediction for each of at least one clip"
        found = f"shapes {confidence.shape} and {correct.shape}"
        raise FormatError("calibration", needs, found=found)
    edges = np.linspace(0, 1, bins + 1)
    # `left` puts a confidence that equals an edge into the bin below that edge; 0 has no bin below
    # and is clipped into the first. A float32 row may sum to a little over 1, so a confidence may
    # exceed 1: it is clipped into the last bin.
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(index, minlength=bins)
    # An empty bin is 0 / 0: NaN is what it should be, the warning is not.
    with np.errstate(invalid="ignore"):
        mean_confidence = np.bincount(index, confidence.astype(np.float64), bins) / count
        accuracy = np.bincount(index, correct.astype(np.float64), bins) / count
    gap = np.abs(accuracy - mean_confidence)[count > 0]
    ece = float(gap @ count[count > 0] / len(correct))
    return Calibration(ece, edges, count.astype(np.int64), mean_confidence, accuracy)


class Scores(Metrics):
    """The keys of metrics.json: the metrics, the calibration and how many clips they are of."""

    ece: Share
    """Expected calibration error over 15 bins. Lower is better."""
    n: Positive
    """Clips that were scored."""
    f1_mean: Share | None = None
    """Mean of macro and micro F1, of classes and of body parts, as MAC ranks. Higher is better."""


def all_scores(
    p: NDArray[np.floating], label: NDArray[np.int64], group_of: NDArray[np.int64] | None = None
) -> Scores:
    """Score probabilities `p` (N, K) against class indices `label` int64 (N,), with calibration.

    `group_of` is the group of each class, int64 (K,); None where there are none.

    Raises:
        FormatError: There are no clips, shapes disagree, a label is outside [0, K), or `p` is
            not finite.
    """
    metrics = score(p, label)
    # The same class as in `score`: of equal probabilities argmax takes the lower index, too.
    ece = calibration(p.max(axis=1), correctness(p, label)).ece
    mean = None
    if group_of is not None and group_of.any():  # a single group says nothing
        mean = f1_mean(ranking(p)[:, 0], label, group_of)
    return Scores(**metrics.model_dump(), ece=ece, n=len(label), f1_mean=mean)


def f1_mean(
    predicted: NDArray[np.int64], label: NDArray[np.int64], group_of: NDArray[np.int64]
) -> float:
    """Average macro and micro F1 of classes, and of the groups that they belong to: in [0, 1].

    As in scikit-learn's macro F1, a class that occurs only among the predictions counts with F1 0;
    `Metrics.macro_f1` leaves it out. Where every class has a clip, both are equal.

    `predicted` and `label` are int64 (N,), `group_of` is int64 (K,): the group of each class.

    Source: Micro-Action Analysis Grand Challenge (MAC), track 1; the four scores of MANet in Guo et
    al., Benchmarking Micro-action Recognition, 2024, have the published mean.
    """
    scores = []
    for guess, true in ((predicted, label), (group_of[predicted], group_of[label])):
        each = class_scores(guess, true, len(group_of)).f1
        # With one label a clip, micro F1 is the share of right predictions.
        scores += [np.nanmean(each), np.mean(guess == true)]
    return float(np.mean(scores))


def write_scores(found: Probabilities, label: NDArray[np.int64], folder: Path) -> Scores:
    """Write metrics.json and predictions.csv of the clips of `found`; return the scores.

    `label` are the true classes, int64 (N,), in the order of `found`.
    """
    scores = all_scores(found.p, label, groups_of(found.edition))
    write_metrics(scores, folder / "metrics.json")
    write_text(folder / "predictions.csv", predictions_csv(found, label))
    return scores


def write_no_scores(folder: Path) -> None:
    """Write metrics.json and predictions.csv of no clip: own clips may have no validation split."""
    write_text(folder / "metrics.json", "{}\n")
    write_text(folder / "predictions.csv", csv_text(PREDICTIONS, []))


def write_metrics(scores: Scores, path: Path) -> None:
    """Write metrics.json: sorted keys, equal scores give equal bytes."""
    known = scores.model_dump(mode="json", exclude_none=True)
    write_text(path, json.dumps(known, indent=2, sort_keys=True) + "\n")


def predictions_csv(found: Probabilities, label: NDArray[np.int64]) -> str:
    """Format predictions.csv, which `dvc plots` counts into a confusion picture.

    `label` are the true classes, int64 (N,). The rows keep the order of `found`, and the table
    holds the probabilities of the predicted classes.
    """
    classes, predicted = found.classes, ranking(found.p)[:, 0]
    probability = found.p[np.arange(len(found)), predicted]
    # Git keeps this file: more than 4 decimals would show rounding noise as changes.
    columns = zip(found.clip_id, label, predicted, probability, strict=True)
    rows = [(clip, classes[k], classes[guess], f"{p:.4f}") for clip, k, guess, p in columns]
    return csv_text(PREDICTIONS, rows)
