"""The rows that params.yaml's table asks for, with their probabilities of one split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.predictions import read_probabilities
from benchmark.results import Entry
from submission.fitted import read_fitted

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.editions import Split
    from benchmark.params import Params


def read_entries(params: Params, folder: Path, split: Split) -> list[Entry]:
    """One entry a row of the table, in its order; `folder` holds `<source>/<split>.parquet`.

    Raises:
        FormatError: A file is missing or breaks its schema.
    """
    entries = []
    for row in params.table.rows:
        found = read_probabilities(folder / row.source / f"{split}.parquet")
        if (fusion := params.fusions.get(row.source)) is None:
            entries.append(Entry(row.name, found))
        else:
            weights = read_fitted(folder / row.source / "weights.json").weights
            entries.append(Entry(row.name, found, fusion.rule, weights))
    return entries
