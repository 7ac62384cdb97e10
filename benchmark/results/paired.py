"""Two systems on the same clips: which is better, by how much, and where they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.evaluation.bootstrap import Interval, paired_interval
from benchmark.evaluation.metrics import correctness
from benchmark.evaluation.significance import McNemar, mcnemar
from benchmark.results.table import Verdict, verdict

if TYPE_CHECKING:
    from benchmark.contracts.labels import Labels
    from benchmark.contracts.predictions import Probabilities


class Paired(NamedTuple):
    """Top-1 of two systems, and their difference."""

    first: float
    second: float
    difference: float
    """Top-1 of the first minus that of the second, in [-1, 1]."""
    interval: Interval | None
    """Of the difference, over resampled videos; None of one video."""
    test: McNemar
    verdict: Verdict
    differ: list[tuple[str, str, str, str]]
    """Clips that get two answers: clip, label, first answer, second answer."""


def paired(
    first: Probabilities, second: Probabilities, truth: Labels, *, resamples: int, seed: int
) -> Paired:
    """Compare two systems, joined by clip id.

    Args:
        first: Probabilities of one system.
        second: Those of the other one.
        truth: The labels of their clips.
        resamples: Bootstrap samples of videos.
        seed: Of their draw.

    Raises:
        MismatchError: They are of another edition or split than the labels, or of other clips.
    """
    p = [truth.joined(each, where=f"'{each.source}'") for each in (first, second)]
    right = [correctness(each, truth.label) for each in p]
    span = paired_interval(right[0], right[1], truth.videos, resamples=resamples, seed=seed)
    test = mcnemar(right[0], right[1])
    gain = (int(right[0].sum()) - int(right[1].sum())) / len(truth.label)
    answers = np.stack([truth.label, *(each.argmax(1) for each in p)], 1)
    named = [tuple(first.classes[k] for k in row) for row in answers]
    differ = [
        (clip, *names) for clip, names in zip(truth.clip_id, named, strict=True)
        if names[1] != names[2]
    ]  # fmt: skip
    top1 = [float(each.mean()) for each in right]
    return Paired(top1[0], top1[1], gain, span, test, verdict(gain, span, test.p_value), differ)
