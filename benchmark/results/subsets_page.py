"""Every subset of experiments as a file, and the best of them as a section of RESULTS.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.results.subset_scores import SubsetScore

BEST = 10
"""Subsets that the page shows."""


def subsets_csv(rows: Sequence[SubsetScore]) -> str:
    """subsets.csv: rank, members joined by plus, their number, top-1 of each split (fractions)."""
    splits = list(rows[0].top1) if rows else []
    lines = [",".join(["rank", "members", "number", *(f"{split}_top1" for split in splits)])]
    for rank, row in enumerate(rows, 1):
        scores = [f"{row.top1[split]:.6f}" for split in splits]
        lines.append(",".join([str(rank), "+".join(row.members), str(len(row.members)), *scores]))
    return "\n".join(lines) + "\n"


def subsets_section(rows: Sequence[SubsetScore]) -> list[str]:
    """Lines of Markdown: the best on the first split."""
    splits = list(rows[0].top1)
    lines = [
        "## Subsets",
        "",
        f"All {len(rows)} subsets with equal weights are in `reports/table/subsets.csv`; these are"
        f" the {BEST} best on {splits[0]}.",
        "The best of so many is the luckiest as well: choosing by this list flatters its choice.",
        "",
        "| # | members |" + "".join(f" {split} top-1 % |" for split in splits),
        "|--:|---|" + "--:|" * len(splits),
    ]
    for rank, row in enumerate(rows[:BEST], 1):
        scores = "".join(f" {100 * row.top1[split]:.2f} |" for split in splits)
        lines.append(f"| {rank} | {' + '.join(row.members)} |{scores}")
    return lines
