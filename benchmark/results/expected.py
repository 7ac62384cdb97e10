"""What the default edition gives on other seeds and machines, and whether one's own rows lie in it.

`tests/bench/spread.py` writes the ranges.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark.core.schema import Share, Strict, read_yaml
from benchmark.core.text_files import read_text

if TYPE_CHECKING:
    from benchmark.editions.edition import Edition

EXPECTED = Path(__file__).with_suffix(".yaml")
SPLIT = "test"
MARGIN = 0.01
"""Top-1 beside the range that still counts as in it: the range is of a few runs."""


class Expected(Strict):
    """Ranges of top-1 on the test split, by row of the table."""

    edition: str
    version: int
    runs: str
    """Which runs they are of, in words."""
    rows: dict[str, tuple[Share, Share]]
    """Least and largest top-1."""


class Place(NamedTuple):
    """Where one row of a table lies."""

    row: str
    top1: float
    low: float
    high: float

    @property
    def inside(self) -> bool:
        """Whether the row is within its range."""
        return self.low - MARGIN <= self.top1 <= self.high + MARGIN


def places(table: Path, edition: Edition, expected: Path = EXPECTED) -> tuple[str, list[Place]]:
    """Compare the rows of a table.csv with the ranges; nothing to compare gives no places.

    Returns:
        Which runs the ranges are of, and a place for every row that has one.

    Raises:
        ParamsError: The file of the ranges breaks its schema.
    """
    if not expected.is_file():
        return "", []
    ranges = read_yaml(expected, Expected)
    if (ranges.edition, ranges.version) != (edition.name, edition.version):
        return "", []
    rows = csv.DictReader(io.StringIO(read_text(table)))
    top1 = {row["name"]: float(row["top1"]) for row in rows if row["split"] == SPLIT}
    found = [
        Place(name, top1[name], *limits) for name, limits in ranges.rows.items() if name in top1
    ]
    return ranges.runs, found
