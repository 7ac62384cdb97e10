"""The rows that params.yaml's table asks for, with their probabilities of one split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.fusion_params import Uniform
from benchmark.results import Entry, read_source
from submission.fitted import read_fitted
from submission.fusion import fuse

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.editions import Split
    from benchmark.params import Params, TableRow
    from benchmark.predictions import Probabilities


def read_entries(params: Params, folder: Path, split: Split) -> list[Entry]:
    """One entry a row of the table, in its order; `folder` is that of all probabilities.

    Raises:
        FormatError: A file is missing or breaks its schema.
        MismatchError: The members of a row disagree.
    """

    def read(name: str) -> Probabilities:
        return read_source(params, folder, name, split)

    def entry(row: TableRow) -> Entry:
        if row.members is not None:
            even = dict.fromkeys(row.members, 1 / len(row.members))
            fused = fuse([read(name) for name in row.members], even, source="+".join(row.members))
            return Entry(row.name, fused, Uniform(kind="uniform"), even, row.published)
        assert row.source is not None, "a row has one of both"
        if (fusion := params.fusions.get(row.source)) is None:
            repeats = [read(name) for name in row.repeats]
            return Entry(row.name, read(row.source), published=row.published, repeats=repeats)
        weights = read_fitted(folder / params.folder_of(row.source) / "weights.json").weights
        return Entry(row.name, read(row.source), fusion.rule, weights, row.published)

    return [entry(row) for row in params.table.rows]
