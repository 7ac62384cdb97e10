"""What stage evaluate writes of one system: metrics.json and predictions.csv."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from benchmark.core.files import csv_text, write_text
from benchmark.core.schema import Positive, Share, read_json
from benchmark.evaluation.calibration import calibration
from benchmark.evaluation.metrics import Metrics, correctness, ranking, score

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class Scores(Metrics):
    """The keys of metrics.json: the metrics, the calibration and how many clips they are of."""

    ece: Share
    """Expected calibration error over 15 bins. Lower is better."""
    n: Positive
    """Clips that were scored."""


def all_scores(p: NDArray[np.floating], label: NDArray[np.int64]) -> Scores:
    """Score probabilities `p` (N, K) against class indices `label` int64 (N,), with calibration.

    Raises:
        FormatError: There are no clips, shapes disagree, a label is outside [0, K), or `p` is
            not finite.
    """
    metrics = score(p, label)
    # The same class as in `score`: of equal probabilities argmax takes the lower index, too.
    ece = calibration(p.max(axis=1), correctness(p, label)).ece
    return Scores(**metrics.model_dump(), ece=ece, n=len(label))


def write_metrics(scores: Scores, path: Path) -> None:
    """Write metrics.json: sorted keys, equal scores give equal bytes."""
    write_text(path, json.dumps(scores.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")


def read_metrics(path: Path) -> Scores:
    """Read metrics.json.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    do = "Run 'dvc repro' for the stage that makes it"
    return read_json(path, Scores, what="a metrics file", do=do)


def predictions_csv(
    clip_ids: Sequence[str],
    p: NDArray[np.floating],
    label: NDArray[np.int64],
    classes: Sequence[str],
) -> str:
    """Format predictions.csv, which `dvc plots` counts into a confusion picture.

    Args:
        clip_ids: N ids; the rows keep their order.
        p: Probabilities, (N, K).
        label: True classes, int64 (N,) in [0, K).
        classes: K names.

    Returns:
        `clip_id,label,prediction,probability`: names of classes, and the probability of the
        predicted one.
    """
    predicted = ranking(p)[:, 0]
    probability = p[np.arange(len(p)), predicted]
    # Git keeps this file: more than 4 decimals would show rounding noise as changes.
    rows = [
        (clip, classes[true], classes[guess], f"{sure:.4f}")
        for clip, true, guess, sure in zip(clip_ids, label, predicted, probability, strict=True)
    ]
    return csv_text(["clip_id", "label", "prediction", "probability"], rows)
