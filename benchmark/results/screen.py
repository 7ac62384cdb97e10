"""The results table as one screen of a terminal, and the system that validation chooses."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark.core.errors import FormatError
from benchmark.core.schema import Share, Strict, read_yaml
from benchmark.core.text_files import read_text
from benchmark.editions.splits import OOF

if TYPE_CHECKING:
    from benchmark.editions.edition import Edition

Row = dict[str, str]
"""A line of table.csv: column -> cell."""
NEEDED = {"name", "split", "top1", "log_loss"}
"""Columns without which it is another file."""
MOST_ROWS = 20
"""Rows of a split that a screen shows."""


def read_rows(table: Path) -> list[Row]:
    """Read table.csv.

    Raises:
        ArchiveError: It is missing or no text.
        FormatError: A line of it is no row, as of a cut or half merged file.
    """
    reader = csv.DictReader(io.StringIO(read_text(table)))
    rows = list(reader)
    columns = {*(reader.fieldnames or ())}
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values() or not _is_number(row.get("top1", "")):
            do = "Run 'dvc repro table', or 'dvc checkout'"
            raise FormatError(f"{table} line {number}", "no row of the results table", do=do)
    if not columns >= NEEDED:
        wanted = ", ".join(sorted(NEEDED))
        raise FormatError(table, "not the results table", expected=f"columns {wanted}")
    return rows


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def chosen(rows: Sequence[Row]) -> str | None:
    """Return the row to report: best on validation, of equals the surest; None without one.

    Choosing on test would report the luck of the choice. Without validation, scores out of fold
    decide.
    """
    val = [row for row in rows if row["split"] == "val"]
    val = val or [row for row in rows if row["split"] == OOF]
    best = max(val, key=lambda row: (float(row["top1"]), -float(row["log_loss"])), default=None)
    return None if best is None else best["name"]


def screen(rows: Sequence[Row], edition: Edition) -> list[str]:
    """Write the last split of the table, one line per row."""
    if not rows:
        return [f"{edition.title}: no row, because no split that is scored has labels"]
    split = rows[-1]["split"]
    shown = [row for row in rows if row["split"] == split]
    best = chosen(rows)
    left_out = 0
    if len(shown) > MOST_ROWS:
        kept = sorted(shown, key=lambda row: -float(row["top1"]))[:MOST_ROWS]
        kept += [row for row in shown if row["name"] == best and row not in kept]
        left_out = len(shown) - len(kept)
        shown = [row for row in shown if row in kept]
    width = max(len(row["name"]) for row in shown)
    clips, videos = shown[0]["n"], shown[0]["num_videos"]
    units = "groups" if split == OOF else "videos"  # folds may keep persons together instead
    lines = [
        f"{edition.title}: {split}, {clips} clips of {videos} {units}",
        f"  {'':<{width}}  top-1 %   95 % interval  macro-F1 %",
    ]
    lines += [("* " if row["name"] == best else "  ") + _line(row, width) for row in shown]
    if best is not None:
        where = "on validation" if any(row["split"] == "val" for row in rows) else "out of fold"
        lines.append(f"* best {where}: the one to report")
    if left_out:
        lines.append(f"{left_out} rows with less top-1 are left out")
    return lines


def _line(row: Row, width: int) -> str:
    span = "none"
    if row["top1_low"]:
        span = f"{100 * float(row['top1_low']):.1f} to {100 * float(row['top1_high']):.1f}"
    cells = f"{100 * float(row['top1']):7.2f}  {span:>14}  {100 * float(row['macro_f1']):10.2f}"
    return f"{row['name']:<{width}}  {cells}"


EXPECTED = Path(__file__).with_name("expected.yaml")
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
    rows = [row for row in read_rows(table) if row["split"] == SPLIT]
    top1 = {row["name"]: float(row["top1"]) for row in rows}
    found = [
        Place(name, top1[name], *limits) for name, limits in ranges.rows.items() if name in top1
    ]
    return ranges.runs, found
