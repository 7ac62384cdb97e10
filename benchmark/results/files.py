"""The files of the results table: RESULTS.md, csv, json for `dvc metrics`, pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.core.files import write_text
from benchmark.plots import figures
from benchmark.results.latex import to_latex
from benchmark.results.markdown import to_csv, to_markdown
from benchmark.results.subsets_page import subsets_csv, subsets_section
from benchmark.results.table import bars

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmark.editions.edition import Edition
    from benchmark.results.subset_scores import SubsetScore
    from benchmark.results.table import Resampling, ResultRow


@dataclass(frozen=True)
class Page:
    """All that the results table shows."""

    rows: Sequence[ResultRow]
    edition: Edition
    resampling: Resampling
    subsets: Sequence[SubsetScore]
    """Every subset of some experiments, the best first; empty for no such list."""
    leaderboards: Sequence[str]
    """Lines of Markdown with published results; empty where there are none."""


def write_table(shown: Page, out: Path, page: Path) -> list[Path]:
    """Write everything; the files that a run shows: a picture a split and tables."""
    rows, edition = shown.rows, shown.edition
    sections = [to_markdown(rows, edition, shown.resampling)]
    texts = {
        "table.csv": to_csv(rows),
        "table.tex": to_latex(rows, edition),
        "subsets.csv": subsets_csv(shown.subsets),
    }
    for name, text in texts.items():
        write_text(out / name, text)
    files = [out / name for name in texts]
    if shown.subsets:
        sections.append("\n".join(subsets_section(shown.subsets)) + "\n")
    if shown.leaderboards:
        sections.append("\n".join(["## Published leaderboards", "", *shown.leaderboards]) + "\n")
    write_text(page, "\n".join(sections))
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        key = f"{row.index:02d} {row.name}"
        scores.setdefault(row.split, {})[key] = round(row.metrics.top1, 6)
    write_text(out / "table.json", json.dumps(scores, indent=1) + "\n")
    for split in scores:
        chosen = [row for row in rows if row.split == split]
        figure = figures.results_figure(
            bars(chosen),
            title=f"{edition.title}, {split}",
            comparable=edition.comparable,
            majority=chosen[0].majority,
        )
        files.append(out / "pictures" / f"{split}.png")
        figures.save(figure, files[-1])
    return files
