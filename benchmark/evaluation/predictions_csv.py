"""What was answered, clip by clip: what `dvc plots` counts into a confusion picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.core.files import csv_text
from benchmark.evaluation.metrics import ranking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def predictions_csv(
    clip_ids: Sequence[str],
    p: NDArray[np.floating],
    label: NDArray[np.int64],
    classes: Sequence[str],
) -> str:
    """predictions.csv: a header, then one row a clip, in the order of `clip_ids`.

    Args:
        clip_ids: N ids.
        p: Probabilities, (N, K).
        label: True classes, int64 (N,) in [0, K).
        classes: K names.

    Returns:
        `clip_id,label,answer,probability`: names of classes, and how probable the answer was.
    """
    answer = ranking(p)[:, 0]
    rows = zip(clip_ids, label, answer, p[np.arange(len(p)), answer], strict=True)
    return csv_text(
        ["clip_id", "label", "answer", "probability"],
        [(clip, classes[one], classes[said], f"{sure:.4f}") for clip, one, said, sure in rows],
    )
