"""What every row of the table answers, so that a reader of the page can compare any two."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmark.results.entries import read_entries

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params
    from benchmark.results.ground_truth import GroundTruth


class Answers(NamedTuple):
    """The clips of one split, and the classes that each row predicts for them."""

    clips: list[str]
    labels: list[int]
    rows: dict[str, list[int]]
    """Place and name of the row -> predicted class of each clip."""


def answers(params: Params, truth: GroundTruth, folder: Path) -> Answers:
    """Collect the predicted classes of all rows; `folder` is that of all probabilities.

    Raises:
        FormatError: A file is missing or breaks its schema.
        MismatchError: A row is of other clips.
    """
    rows = {}
    for place, entry in enumerate(read_entries(params, folder, truth.split), start=1):
        p = truth.joined(entry.probabilities, where=f"row '{entry.name}'")
        rows[f"{place:02d} {entry.name}"] = p.argmax(1).tolist()
    return Answers(list(truth.clip_id), truth.label.tolist(), rows)
