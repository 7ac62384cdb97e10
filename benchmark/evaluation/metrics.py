"""What a model's probabilities are worth on labeled clips: the numbers of metrics.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field
from sklearn.metrics import confusion_matrix, f1_score, recall_score

from benchmark.contracts.predictions import PROBABILITY_FLOOR
from benchmark.core.errors import FormatError
from benchmark.core.files import write_text
from benchmark.core.schema import Strict, read_json
from benchmark.evaluation.calibration import calibration

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class Metrics(Strict):
    """The scores of one system on one split; fractions in [0, 1] except `log_loss`."""

    top1: Annotated[float, Field(ge=0, le=1)]
    """Share of clips whose most probable class is the label. Higher is better."""
    top5: Annotated[float, Field(ge=0, le=1)]
    """Share of clips whose label is among the five most probable classes. Higher is better."""
    macro_f1: Annotated[float, Field(ge=0, le=1)]
    """Mean F1 of the classes that occur in the labels. Higher is better."""
    mean_acc: Annotated[float, Field(ge=0, le=1)]
    """Mean recall of the classes that occur in the labels. Higher is better."""
    log_loss: Annotated[float, Field(ge=0)]
    """Mean of -log p(label) in nats, p at least `PROBABILITY_FLOOR`. Lower is better."""
    ece: Annotated[float, Field(ge=0, le=1)]
    """Expected calibration error over 15 bins. Lower is better."""
    n: Annotated[int, Field(gt=0)]
    """Clips that were scored."""


def score(p: NDArray[np.floating], label: NDArray[np.int64]) -> Metrics:
    """All metrics of probabilities `p` (N, K) against class indices `label` int64 (N,).

    Of equal probabilities the class with the lower index comes first, in top-1 and top-5
    (scikit-learn's `top_k_accuracy_score` puts the higher one first, unlike `argmax`).

    The macro means run over the classes that occur in `label`. A class without a clip has no
    recall; and scikit-learn's default, which adds the classes that occur only among the answers
    with F1 0, would let one stray answer cost a whole class (the validation split of iMiGUE
    lacks 9 of its 32 classes). Such an answer still counts as a miss of the clip's own class.

    Raises:
        FormatError: There are no clips, shapes disagree, a label is outside [0, K), or `p` is
            not finite.
    """
    _check(p, label)
    ranked = ranking(p)
    answer = ranked[:, 0]
    present = np.unique(label)
    confidence = np.take_along_axis(p, answer[:, None], axis=1)[:, 0]
    macro = {"labels": present, "average": "macro", "zero_division": 0}
    return Metrics(
        top1=float(np.mean(answer == label)),
        top5=float(np.mean((ranked[:, :5] == label[:, None]).any(axis=1))),
        macro_f1=float(f1_score(label, answer, **macro)),
        mean_acc=float(recall_score(label, answer, **macro)),
        log_loss=log_loss(p, label),
        ece=calibration(confidence, answer == label).ece,
        n=len(label),
    )


def ranking(p: NDArray[np.floating]) -> NDArray[np.int64]:
    """Classes of each clip, most probable first, of equal ones the lower index: int64 (N, K)."""
    return np.argsort(-p, axis=1, kind="stable").astype(np.int64)


def correctness(p: NDArray[np.floating], label: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the most probable class of each clip is its label: bool (N,)."""
    _check(p, label)
    return p.argmax(axis=1) == label


def log_loss(p: NDArray[np.floating], label: NDArray[np.int64]) -> float:
    """Mean of -log p(label) in nats, with `PROBABILITY_FLOOR`.

    Not scikit-learn's: that floors at the machine epsilon of the array's type, so that equal
    probabilities in float32 and float64 would score differently.
    """
    _check(p, label)
    of_label = p[np.arange(len(label)), label].astype(np.float64)
    # A row may sum to 1.0001, so that p is over 1: a loss is never negative all the same.
    return float(-np.log(np.clip(of_label, PROBABILITY_FLOOR, 1)).mean()) + 0.0


def confusion(
    p: NDArray[np.floating], label: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """Clips by label (row) and answer (column): int64 (K, K)."""
    _check(p, label)
    matrix = confusion_matrix(label, p.argmax(axis=1), labels=np.arange(num_classes))
    return matrix.astype(np.int64)


def majority(train_label: NDArray[np.int64], label: NDArray[np.int64]) -> float:
    """Top-1 of always answering the largest class of the training split, in [0, 1].

    Of equally large classes the one with the lower index is answered.

    Raises:
        FormatError: One of the two splits has no clip.
    """
    if not len(train_label) or not len(label):
        raise FormatError(
            "majority", "no clips", found=f"{len(train_label)} in train, {len(label)} to score"
        )
    return float(np.mean(label == np.bincount(train_label).argmax()))


def write_metrics(metrics: Metrics, path: Path) -> None:
    """Write metrics.json: sorted keys, equal metrics give equal bytes."""
    write_text(path, json.dumps(metrics.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")


def read_metrics(path: Path) -> Metrics:
    """Read metrics.json.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    do = "Run 'dvc repro' for the stage that makes it"
    return read_json(path, Metrics, what="a metrics file", do=do)


def _check(p: NDArray[np.floating], label: NDArray[np.int64]) -> None:
    if p.ndim != 2 or label.shape != p.shape[:1] or not len(label):
        raise FormatError(
            "metrics",
            "needs one row of probabilities and one label for each of at least one clip",
            found=f"shapes {p.shape} and {label.shape}",
        )
    outside = (label < 0) | (label >= p.shape[1])
    if outside.any():
        raise FormatError(
            "metrics",
            f"{int(outside.sum())} label(s) outside the classes",
            expected=f"0 to {p.shape[1] - 1}",
            found=str(int(label[outside][0])),
        )
    if not np.isfinite(p).all():
        row = int(np.flatnonzero(~np.isfinite(p).all(axis=1))[0])
        raise FormatError("metrics", f"probabilities of row {row} are not finite")
