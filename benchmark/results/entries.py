"""The systems that params.yaml asks rows for, with their probabilities of one split."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmark.contracts.predictions import Probabilities, read_probabilities
from submission.fusion.fitted import read_fitted
from submission.fusion.fuse import fuse
from submission.fusion.rules.equal import Uniform

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmark.editions.splits import Split
    from benchmark.params.params import Params, TableRow
    from submission.fusion.rules.union import FusionRule


@dataclass(frozen=True)
class Entry:
    """One system that asks for a row."""

    name: str
    probabilities: Probabilities
    rule: FusionRule | None = None
    """None for a single stream."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Member -> weight; empty for a single stream."""
    paper_top1: float | None = None
    """Top-1 in per cent that the paper reports."""
    repeats: Sequence[Probabilities] = ()
    """The same experiment with other seeds."""


def read_source(params: Params, folder: Path, name: str, split: Split) -> Probabilities:
    """Read the probabilities of one experiment or fusion.

    Args:
        params: They tell experiments from fusions.
        folder: That of all probabilities.
        name: The experiment or fusion.
        split: Whose clips.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    return read_probabilities(folder / params.folder_of(name) / f"{split}.parquet")


def read_entries(params: Params, folder: Path, split: Split) -> list[Entry]:
    """Read one entry per row of the table, in its order; `folder` is that of all probabilities.

    Raises:
        FormatError: A file is missing or breaks its schema.
        MismatchError: The members of a row disagree.
    """

    def read(*names: str) -> list[Probabilities]:
        return [read_source(params, folder, name, split) for name in names]

    def entry(row: TableRow) -> Entry:
        if row.members is not None:
            even = dict.fromkeys(row.members, 1 / len(row.members))
            fused = fuse(read(*row.members), even, source="+".join(row.members))
            return Entry(row.name, fused, Uniform(kind="uniform"), even, row.paper_top1)
        assert row.source is not None, "TableRow has either members or a source"
        source, *repeats = read(row.source, *row.repeats)
        if (fusion := params.fusions.get(row.source)) is None:
            return Entry(row.name, source, paper_top1=row.paper_top1, repeats=repeats)
        # Stage fuse has already applied the weights to the probabilities: they are only shown.
        weights = read_fitted(folder / params.folder_of(row.source) / "weights.json").weights
        return Entry(row.name, source, fusion.rule, weights, row.paper_top1)

    return [entry(row) for row in params.table.rows]
