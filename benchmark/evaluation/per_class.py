"""What a system knows of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_fscore_support

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def by_class(
    p: NDArray, label: NDArray, train_label: NDArray, classes: Sequence[str]
) -> pd.DataFrame:
    """One row a class: its clips, and recall, precision and F1 as fractions.

    `p` is float (N, K), `label` int64 (N,), `train_label` int64 of the training clips. Recall is
    empty for a class without a clip, precision for one that is never answered.
    """
    places = list(range(len(classes)))
    precision, recall, f1, clips = precision_recall_fscore_support(
        label,
        p.argmax(1),
        labels=places,
        zero_division=float("nan"),  # pyright: ignore[reportArgumentType]
    )
    return pd.DataFrame(
        {
            "class": list(classes),
            "train_clips": np.bincount(train_label, minlength=len(classes)),
            "clips": clips,
            "recall": recall,
            "precision": precision,
            "f1": f1,
        }
    )
