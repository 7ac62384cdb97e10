"""The files of the results table: RESULTS.md, CSV, LaTeX, JSON for `dvc metrics`, pictures."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, get_args

from benchmark.core.files import csv_text, write_text
from benchmark.editions.splits import OOF
from benchmark.evaluation.bootstrap import percent
from benchmark.plots import figures
from benchmark.results.best_page import best_section
from benchmark.results.online import OnlineRow, online_section
from benchmark.results.subsets import SubsetScore, subsets_csv, subsets_section
from benchmark.results.table import (
    NOT_COVERED,
    SIGNIFICANT,
    Comparison,
    Resampling,
    ResultRow,
    Role,
)

if TYPE_CHECKING:
    from benchmark.editions.edition import Edition
    from benchmark.results.best import Best

OUT_OF_FOLD = (
    "Each of these clips is scored by networks, and fused by weights, that never saw its video or"
    " person. On test, these rows show the mean of the networks of all folds."
)
VERDICTS = {
    "better": "better",
    "worse": "worse",
    "not significant": "not significant",
    "none": "no verdict: all videos alike, or one",
}
ROLES = {
    "best single": "the best single stream",
    "uniform": "equal weights",
    "best member": "its best member",
}
# `translate` replaces all in one pass, so the braces of \textbackslash{} are not escaped again.
LATEX_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
        "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Page:
    """All that the results table shows."""

    rows: Sequence[ResultRow]
    edition: Edition
    resampling: Resampling
    subsets: Sequence[SubsetScore] = ()
    """Every subset of some experiments, the best first; empty for no such list."""
    leaderboards: Sequence[str] = ()
    """Lines of Markdown with published results; empty where there are none."""
    best: Best | None = None
    """The best set of streams; None without folds."""
    online: Sequence[OnlineRow] = ()
    """Gestures found in whole videos, scored."""


def write_table(page: Page, out: Path, path: Path) -> list[Path]:
    """Write the page to `path` and the rest into `out`; return the files that a run shows."""
    rows, edition = page.rows, page.edition
    files = [out / name for name in ("table.csv", "table.tex", "subsets.csv")]
    texts = (to_csv(rows), to_latex(rows, edition), subsets_csv(page.subsets))
    for file, text in zip(files, texts, strict=True):
        write_text(file, text)
    sections = (
        best_section(page.best, edition.name) if page.best else [],
        subsets_section(page.subsets) if page.subsets else [],
        ["## Published leaderboards", "", *page.leaderboards] if page.leaderboards else [],
        online_section(page.online, edition) if page.online else [],
    )
    told = ["\n".join(lines) + "\n" for lines in sections if lines]
    write_text(path, "\n".join([to_markdown(rows, edition, page.resampling), *told]))
    scores: dict[str, dict[str, float]] = {}
    for row in rows:
        # The title holds the index, so two rows of one name stay two keys of `dvc metrics`.
        scores.setdefault(row.split, {})[row.title] = round(row.metrics.top1, 6)
    write_text(out / "table.json", json.dumps(scores, indent=1) + "\n")
    for split in scores:
        figure = figures.results_figure([row for row in rows if row.split == split], edition)
        pictures = [out / "pictures" / f"{split}{ending}" for ending in (".png", ".svg")]
        for picture in pictures:
            figures.save(figure, picture)
        files += pictures
    return files


def to_csv(rows: Sequence[ResultRow]) -> str:
    """Format table.csv: fractions with 6 decimals, empty where a row has no such value."""
    table = [_csv_cells(row) for row in rows]
    if not table:
        return ""
    return csv_text(
        list(table[0]),
        [[f"{cell:.6f}" if isinstance(cell, float) else cell for cell in row.values()]
         for row in table],
    )  # fmt: skip


def _csv_cells(row: ResultRow) -> dict[str, object]:
    by_role = {comparison.role: comparison for comparison in row.comparisons}
    compared = {}
    for role in get_args(Role):
        # Every row has every column: None where it is not compared with a row of this role.
        other, prefix = by_role.get(role), role.replace(" ", "_")
        compared |= {
            f"{prefix}": other.name if other else None,
            f"{prefix}_difference": other.difference if other else None,
            f"{prefix}_low": other.interval.low if other and other.interval else None,
            f"{prefix}_high": other.interval.high if other and other.interval else None,
            f"{prefix}_only_here": other.test.only_first if other else None,
            f"{prefix}_only_there": other.test.only_second if other else None,
            f"{prefix}_p": other.test.p_value if other else None,
            f"{prefix}_holm": other.holm if other else None,
        }
    return {
        "row": f"{row.split} {row.title}",  # one bar each in `dvc plots`
        "index": row.index,
        "name": row.name,
        "source": row.source,
        "split": row.split,
        "rule": row.rule.kind if row.rule else None,
        "members": "+".join(row.members),
        "weights": " ".join(
            f"{key}={value:.6f}" for key, value in sorted((row.weights or {}).items())
        ),
        **row.metrics.model_dump(),
        "top1_low": row.interval.low if row.interval else None,
        "top1_high": row.interval.high if row.interval else None,
        "num_videos": row.num_videos,
        "majority_baseline": row.majority_baseline,
        "paper_top1": row.paper_top1,
        "seeds": " ".join(f"{share:.6f}" for share in row.seeds),
        **compared,
    }


def to_markdown(rows: Sequence[ResultRow], edition: Edition, resampling: Resampling) -> str:
    """Write RESULTS.md: a block per split, each with its comparisons and their verdicts."""
    lines = [f"# Results: {_cell(edition.title)}", ""]
    if not edition.comparable:
        lines += [
            "> **Generated data.** Every clip behind these numbers was made by a program. They say"
            " that the software works and are",
            "> never comparable with results on iMiGUE, neither ours nor published ones.",
            "",
        ]
    lines += [f"Edition `{edition.name}`, version {edition.version}. Written by `dvc repro`.", ""]
    val = [row for row in rows if row.split == "val"]
    test = [row for row in rows if row.split == "test"]
    oof = [row for row in rows if row.split == OOF]
    if val or not oof:
        lines += ["## Validation", "", *_block(val)]
    if val:
        lines += [
            "Fusion weights are fitted on these clips, and a recipe may keep the epoch that is best"
            " on them, so these numbers flatter.",
            "",
        ]
    if oof:
        lines += ["## Out of fold", "", *_block(oof), OUT_OF_FOLD, ""]
    lines += ["## Test", "", *_block(test), "## How to read this", "", *_notes(resampling)]
    return "\n".join(lines) + "\n"


def _units(split: str) -> str:
    """Name what the intervals of a split resample: folds may keep persons together instead."""
    return "groups" if split == OOF else "videos"


def _block(rows: Sequence[ResultRow]) -> list[str]:
    if not rows:
        return [
            "No labels here: a split that the edition withholds is scored by its leaderboard.",
            "",
        ]
    first = rows[0]
    # Generated data have no published numbers, so their table has no such column.
    paper = any(row.paper_top1 is not None for row in rows)
    parts = any(row.metrics.f1_mean is not None for row in rows)
    lines = [
        f"{first.metrics.n} clips of {first.num_videos} {_units(first.split)}. Always predicting"
        f" the largest class of the training split gives {_percent(first.majority_baseline)} %"
        " top-1.",
        "",
        "| # | system | top-1 % | 95 % interval | top-5 % | macro-F1 % | mean acc. % | log-loss"
        " | ECE % |" + " F1_mean % |" * parts + " the paper's top-1 % |" * paper,
        "|--:|---|--:|:-:|--:|--:|--:|--:|--:|" + "--:|" * (parts + paper),
        *(_table_row(row, parts=parts, paper=paper) for row in rows),
        "",
    ]
    weights = [f"- **{_cell(row.name)}**: {_weights(row)}" for row in rows if row.weights]
    seeds = [f"- **{_cell(row.name)}**: {_scatter(row.seeds)}" for row in rows if row.seeds]
    if weights or seeds:
        lines += [*weights, *seeds, ""]
    compared = [_comparison_row(row, other) for row in rows for other in row.comparisons]
    if compared:
        lines += [
            "| system | against | points | 95 % interval | right only here, only there | p"
            " | p (Holm) | verdict |",
            "|---|---|--:|:-:|:-:|--:|--:|---|",
            *compared,
            "",
        ]
    return lines


def _table_row(row: ResultRow, *, parts: bool, paper: bool) -> str:
    m = row.metrics
    cells = [
        f"{row.index:02d}",
        _cell(row.name),
        _percent(m.top1),
        percent(row.interval),
        _percent(m.top5),
        _percent(m.macro_f1),
        _percent(m.mean_acc),
        f"{m.log_loss:.3f}",
        _percent(m.ece),
        *([_percent(m.f1_mean or 0)] if parts else []),
        *([f"{row.paper_top1:.3f}" if row.paper_top1 is not None else ""] if paper else []),
    ]
    return "| " + " | ".join(cells) + " |"


def _comparison_row(row: ResultRow, other: Comparison) -> str:
    cells = [
        _cell(row.name),
        f"{_cell(other.name)} ({ROLES[other.role]})",
        f"{100 * other.difference:+.2f}",
        percent(other.interval, "{:+.2f} to {:+.2f}"),
        f"{other.test.only_first}, {other.test.only_second}",
        f"{other.test.p_value:.3f}",
        f"{other.holm:.3f}",
        VERDICTS[other.verdict],
    ]
    return "| " + " | ".join(cells) + " |"


def _weights(row: ResultRow) -> str:
    kind = row.rule.kind if row.rule else "single"
    given = ", ".join(f"{key} {value:.3f}" for key, value in sorted((row.weights or {}).items()))
    return f"{kind}; {given}"


def _scatter(seeds: Sequence[float]) -> str:
    """Say top-1 of each seed, their mean and standard deviation."""
    each = ", ".join(map(_percent, seeds))
    spread = f"{_percent(mean(seeds))}, standard deviation {_percent(stdev(seeds))}"
    return f"{len(seeds)} seeds give {each} % (mean {spread})"


def _cell(text: str) -> str:
    # A bare bar or line end would end the cell of the Markdown table, and HTML would be markup.
    # A backslash does not do: one that the text ends with, or has before the bar, would undo it.
    return " ".join(html.escape(text, quote=False).replace("|", "&#124;").split())


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


def _notes(resampling: Resampling) -> list[str]:
    return [
        f"- Intervals: percentile bootstrap, {resampling.resamples} resamples of whole videos, seed"
        f" {resampling.seed}. Clips of one video share a person,",
        "  so resampling clips would give intervals that are too narrow.",
        "- p: exact McNemar test of the clips that only one of the two gets right; Holm's"
        " correction takes all comparisons of the split that ask one question together:",
        "  with the best single stream, with equal weights, or of a fusion with its best member.",
        "- A difference is significant, better or worse, only where the corrected p is below"
        f" {SIGNIFICANT} and its interval leaves out 0: clips of one video",
        "  are not independent, so p alone is too hopeful. The best single stream is the best on"
        " these very clips, which favors it.",
        f"- {NOT_COVERED}",
        "- Macro-F1 and mean accuracy run over the classes that occur in the split's labels.",
        "- Log-loss in nats (probabilities at least 1e-7); ECE over 15 bins of equal width.",
        "- F1_mean of MAC: the mean of macro-F1 and micro-F1 of classes and of body parts.",
    ]


def to_latex(rows: Sequence[ResultRow], edition: Edition) -> str:
    """Format a LaTeX table for each split of `rows`; a paper needs the package booktabs for it.

    A dagger marks a row that is significantly better than the best single stream.
    """
    return "\n".join(_latex_table(rows, edition, split) for split in ("val", OOF, "test"))


def _latex_table(rows: Sequence[ResultRow], edition: Edition, split: str) -> str:
    chosen = [row for row in rows if row.split == split]
    if not chosen:
        return ""
    first, units = chosen[0], _units(split)
    kind = "" if edition.comparable else " Generated data, not comparable with iMiGUE."
    caption = (
        f"{edition.title.translate(LATEX_SPECIAL)}, {split} split: {first.metrics.n} clips of"
        f" {first.num_videos} {units}; top-1 with its 95\\,\\% interval ({units} resampled).{kind}"
        " $\\dagger$: significantly better than the best single stream."
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
        *(f"    {_latex_row(row)}" for row in chosen),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def _latex_row(row: ResultRow) -> str:
    m = row.metrics
    better = any(
        other.role == "best single" and other.verdict == "better" for other in row.comparisons
    )
    cells = [
        row.name.translate(LATEX_SPECIAL) + ("$^\\dagger$" if better else ""),
        _percent(m.top1),
        percent(row.interval, "{:.1f}--{:.1f}"),
        *map(_percent, (m.top5, m.macro_f1, m.ece)),
    ]
    return " & ".join(cells) + r" \\"
