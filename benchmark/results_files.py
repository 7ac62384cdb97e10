"""The files of the results table: RESULTS.md, csv, json for `dvc metrics`, pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmark.evaluation import figures
from benchmark.files import write_text
from benchmark.results import Resampling, ResultRow, bars
from benchmark.results_page import to_csv, to_markdown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmark.editions import Edition


def write_table(
    rows: Sequence[ResultRow], edition: Edition, resampling: Resampling, out: Path, page: Path
) -> list[Path]:
    """Write everything; the pictures' paths, one a split."""
    write_text(page, to_markdown(rows, edition, resampling))
    write_text(out / "table.csv", to_csv(rows))
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        key = f"{row.index:02d} {row.name}"
        scores.setdefault(row.split, {})[key] = round(row.metrics.top1, 6)
    write_text(out / "table.json", json.dumps(scores, indent=1) + "\n")
    pictures = []
    for split in scores:
        chosen = [row for row in rows if row.split == split]
        figure = figures.results_figure(
            bars(chosen),
            title=f"{edition.title}, {split}",
            comparable=edition.comparable,
            majority=chosen[0].majority,
        )
        pictures.append(out / "pictures" / f"{split}.png")
        figures.save(figure, pictures[-1])
    return pictures
