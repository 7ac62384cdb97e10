"""The rows that params.yaml's table asks for, with their probabilities of one split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.results.table import Entry, read_source
from submission.fusion.fitted import read_fitted
from submission.fusion.fuse import fuse
from submission.fusion.rules.equal import Uniform

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.contracts.predictions import Probabilities
    from benchmark.editions.edition import Split
    from benchmark.params.params import Params, TableRow


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
            return Entry(row.name, fused, Uniform(kind="uniform"), even, row.paper_top1)
        assert row.source is not None, "a row has one of both"
        if (fusion := params.fusions.get(row.source)) is None:
            repeats = [read(name) for name in row.repeats]
            return Entry(row.name, read(row.source), paper_top1=row.paper_top1, repeats=repeats)
        weights = read_fitted(folder / params.folder_of(row.source) / "weights.json").weights
        return Entry(row.name, read(row.source), fusion.rule, weights, row.paper_top1)

    return [entry(row) for row in params.table.rows]
