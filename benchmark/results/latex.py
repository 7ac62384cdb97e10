"""The results table for a paper: LaTeX with booktabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.editions.edition import Edition
    from benchmark.results.table import ResultRow

SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
        "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    }
)  # fmt: skip


def to_latex(rows: Sequence[ResultRow], edition: Edition) -> str:
    """A table environment for each split of `rows`; needs the package booktabs.

    A dagger marks a row that is better than the best single stream beyond noise.
    """
    return "\n".join(_table(rows, edition, split) for split in ("val", "test"))


def _table(rows: Sequence[ResultRow], edition: Edition, split: str) -> str:
    chosen = [row for row in rows if row.split == split]
    if not chosen:
        return ""
    first = chosen[0]
    kind = "" if edition.comparable else " Generated data, not comparable with iMiGUE."
    caption = (
        f"{edition.title.translate(SPECIAL)}, {split} split: {first.metrics.n} clips of"
        f" {first.num_videos} videos; top-1 with its 95\\,\\% interval (videos resampled).{kind}"
        " $\\dagger$: better than the best single stream beyond noise."
    )
    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{caption}}}",
        f"  \\label{{tab:{edition.name}-{split}}}",
        r"  \begin{tabular}{lrcrrr}",
        r"    \toprule",
        r"    System & Top-1 & 95\,\% & Top-5 & Macro-F1 & ECE \\",
        r"    \midrule",
        *(f"    {_row(row)}" for row in chosen),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _row(row: ResultRow) -> str:
    better = any(one.role == "best single" and one.verdict() == "better" for one in row.comparisons)
    m = row.metrics
    cells = [
        row.name.translate(SPECIAL) + ("$^\\dagger$" if better else ""),
        f"{100 * m.top1:.2f}",
        f"{100 * row.interval.low:.1f}--{100 * row.interval.high:.1f}",
        *(f"{100 * value:.2f}" for value in (m.top5, m.macro_f1, m.ece)),
    ]
    return " & ".join(cells) + r" \\"
