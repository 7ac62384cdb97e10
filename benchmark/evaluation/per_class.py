"""What a system knows of each class: the table that training writes as classes.csv."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmark.evaluation.metrics import class_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def by_class(
    p: NDArray, label: NDArray, train_label: NDArray, classes: Sequence[str]
) -> pd.DataFrame:
    """Compute recall, precision and F1 of each class: one row per class, as fractions.

    Recall is empty for a class without a clip, precision for one that is never predicted.

    Args:
        p: Probabilities, float (N, K).
        label: True classes, int64 (N,).
        train_label: Classes of the training clips, int64; the table counts them.
        classes: K names.
    """
    found = class_scores(p.argmax(1), label, len(classes))
    return pd.DataFrame(
        {
            "class": list(classes),
            "train_clips": np.bincount(train_label, minlength=len(classes)),
            "clips": found.clips, "recall": found.recall, "precision": found.precision,
            "f1": found.f1,
        }
    )  # fmt: skip
