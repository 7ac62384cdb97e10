"""How good probabilities are on labeled clips: the scores that training, fusing and tables share.

Every training depends on this module, so calibration and files are in `scores.py`: a change there
leaves trainings up to date.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.core.errors import FormatError
from benchmark.core.schema import Share, Strict

PROBABILITY_FLOOR = 1e-7
"""Least probability whose logarithm is taken: a certain miss costs 16.1 nats, not infinity."""


class Metrics(Strict):
    """The scores of one system on one split; fractions in [0, 1] except `log_loss`."""

    top1: Share
    """Share of clips whose most probable class is the label. Higher is better."""
    top5: Share
    """Share of clips whose label is among the five most probable classes. Higher is better."""
    macro_f1: Share
    """Mean F1 of the classes that occur in the labels. Higher is better."""
    mean_acc: Share
    """Mean recall of the classes that occur in the labels. Higher is better."""
    log_loss: Annotated[float, Field(ge=0)]
    """Mean of -log p(label) in nats, p at least `PROBABILITY_FLOOR`. Lower is better."""


def score(p: NDArray[np.floating], label: NDArray[np.int64]) -> Metrics:
    """Score probabilities `p` (N, K) against class indices `label` int64 (N,).

    Of equal probabilities the class with the lower index comes first, in top-1 and top-5
    (scikit-learn's `top_k_accuracy_score` puts the higher one first, unlike `argmax`).

    The macro means run over the classes that occur in `label`. A class without a clip has no
    recall; and scikit-learn's default, which adds the classes that occur only among the predictions
    with F1 0, would let one stray prediction cost a whole class (the validation split of iMiGUE
    lacks 9 of its 32 classes). Such a prediction still counts as a miss of the clip's own class.

    Raises:
        FormatError: There are no clips, shapes disagree, a label is outside [0, K), or `p` is
            not finite.
    """
    _check(p, label)
    ranked = ranking(p)
    by_class = class_scores(ranked[:, 0], label, p.shape[1])
    return Metrics(
        top1=float(np.mean(ranked[:, 0] == label)),
        top5=float(np.mean((ranked[:, :5] == label[:, None]).any(axis=1))),
        macro_f1=by_class.macro_f1,
        mean_acc=float(by_class.recall[by_class.clips > 0].mean()),
        log_loss=log_loss(p, label),
    )


class ClassScores(NamedTuple):
    """Scores of each of K classes, float64 (K,) in [0, 1]; NaN where there is nothing to count.

    scikit-learn has them too, but takes a second to load, and every command scores something.
    """

    precision: NDArray[np.float64]
    """Share of the clips predicted as the class that are of it."""
    recall: NDArray[np.float64]
    """Share of the clips of the class that are predicted as it."""
    f1: NDArray[np.float64]
    """Harmonic mean of both."""
    clips: NDArray[np.int64]
    """Clips of the class, int64 (K,)."""

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that have a clip."""
        return float(self.f1[self.clips > 0].mean())


def class_scores(
    prediction: NDArray[np.int64], label: NDArray[np.int64], num_classes: int
) -> ClassScores:
    """Score predicted classes int64 (N,) against labels int64 (N,), class by class."""
    right = np.bincount(label[prediction == label], minlength=num_classes)
    clips = np.bincount(label, minlength=num_classes)
    predicted = np.bincount(prediction, minlength=num_classes)
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN, as it should be
        return ClassScores(
            precision=right / predicted, recall=right / clips, f1=2 * right / (clips + predicted),
            clips=clips.astype(np.int64),
        )  # fmt: skip


def ranking(p: NDArray[np.floating]) -> NDArray[np.int64]:
    """Rank the classes of each clip, most probable first, of equal ones the lower index: (N, K)."""
    # Reversing an ascending sort would put the higher index first among equals; negating does not.
    return np.argsort(-p, axis=1, kind="stable").astype(np.int64)


def correctness(p: NDArray[np.floating], label: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell of each clip whether its most probable class is its label: bool (N,)."""
    _check(p, label)
    return p.argmax(axis=1) == label


def log_loss(p: NDArray[np.floating], label: NDArray[np.int64]) -> float:
    """Compute the mean of -log p(label) in nats, with `PROBABILITY_FLOOR`.

    Not scikit-learn's: that floors at the machine epsilon of the array's type, so that equal
    probabilities in float32 and float64 would score differently.
    """
    _check(p, label)
    of_label = p[np.arange(len(label)), label].astype(np.float64)
    # A row may sum to 1.0001, so p may exceed 1: the upper limit keeps the loss >= 0.
    # Adding 0.0 turns the -0.0 of certain hits into 0.0.
    return float(-np.log(np.clip(of_label, PROBABILITY_FLOOR, 1)).mean()) + 0.0


def confusion(
    p: NDArray[np.floating], label: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """Count clips by label (row) and prediction (column): int64 (K, K)."""
    _check(p, label)
    pair = label * num_classes + p.argmax(axis=1)
    counts = np.bincount(pair, minlength=num_classes**2).astype(np.int64)
    return counts.reshape(num_classes, num_classes)


def majority_baseline(train_label: NDArray[np.int64], label: NDArray[np.int64]) -> float:
    """Compute top-1 of always predicting the largest class of the training split, in [0, 1].

    Of equally large classes the one with the lower index is predicted.

    Raises:
        FormatError: One of the two splits has no clip.
    """
    if not len(train_label) or not len(label):
        found = f"{len(train_label)} in train, {len(label)} to score"
        wanted = "at least one in each split"
        raise FormatError("majority baseline", "no clips", expected=wanted, found=found)
    return float(np.mean(label == np.bincount(train_label).argmax()))


def _check(p: NDArray[np.floating], label: NDArray[np.int64]) -> None:
    if p.ndim != 2 or label.shape != p.shape[:1] or not len(label):
        needs = "needs one row of probabilities and one label for each of at least one clip"
        raise FormatError("metrics", needs, found=f"shapes {p.shape} and {label.shape}")
    outside = (label < 0) | (label >= p.shape[1])
    if outside.any():
        wrong, wanted = f"{outside.sum()} label(s) outside the classes", f"0 to {p.shape[1] - 1}"
        raise FormatError("metrics", wrong, expected=wanted, found=str(label[outside][0]))
    if not np.isfinite(p).all():
        row = int(np.flatnonzero(~np.isfinite(p).all(axis=1))[0])
        raise FormatError("metrics", f"probabilities of row {row} are not finite")
