"""RESULTS.md and table.csv: the results table as people and programs read it."""

from __future__ import annotations

from statistics import mean, stdev
from typing import TYPE_CHECKING, get_args

from benchmark.core.files import csv_text
from benchmark.results.table import SIGNIFICANT, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.editions.edition import Edition
    from benchmark.results.table import Comparison, Resampling, ResultRow


def to_csv(rows: Sequence[ResultRow]) -> str:
    """results.csv: fractions with 6 decimals, empty where a row has no such value."""
    table = [_cells(row) for row in rows]
    if not table:
        return ""
    return csv_text(
        list(table[0]),
        [[f"{cell:.6f}" if isinstance(cell, float) else cell for cell in row.values()]
         for row in table],
    )  # fmt: skip


def to_markdown(rows: Sequence[ResultRow], edition: Edition, resampling: Resampling) -> str:
    """RESULTS.md: a block for validation and one for test, each with its comparisons in words."""
    lines = [f"# Results: {edition.title}", ""]
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
    lines += ["## Validation", "", *_block(val)]
    if val:
        lines += [
            "Fusion weights are fitted on these clips, and a recipe may keep the epoch that is best"
            " on them, so these numbers flatter.",
            "",
        ]
    lines += ["## Test", "", *_block(test), "## How to read this", "", *_notes(resampling)]
    return "\n".join(lines) + "\n"


def _cells(row: ResultRow) -> dict[str, object]:
    by_role = {comparison.role: comparison for comparison in row.comparisons}
    compared = {}
    for role in get_args(Role):
        other, prefix = by_role.get(role), role.replace(" ", "_")
        compared |= {
            f"{prefix}": other.name if other else None,
            f"{prefix}_difference": other.difference if other else None,
            f"{prefix}_low": other.interval.low if other else None,
            f"{prefix}_high": other.interval.high if other else None,
            f"{prefix}_only_here": other.test.only_first if other else None,
            f"{prefix}_only_there": other.test.only_second if other else None,
            f"{prefix}_p": other.test.p_value if other else None,
            f"{prefix}_holm": other.holm if other else None,
        }
    return {
        "row": f"{row.split} {row.index:02} {row.name}",  # one bar each in `dvc plots`
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
        "top1_low": row.interval.low,
        "top1_high": row.interval.high,
        "num_videos": row.num_videos,
        "majority": row.majority,
        "paper_top1": row.paper_top1,
        "seeds": " ".join(f"{share:.6f}" for share in row.seeds),
        **compared,
    }


def _block(rows: Sequence[ResultRow]) -> list[str]:
    if not rows:
        return [
            "No answers here: a split that the edition withholds is scored by its leaderboard.",
            "",
        ]
    first = rows[0]
    paper = any(row.paper_top1 is not None for row in rows)
    lines = [
        f"{first.metrics.n} clips of {first.num_videos} videos. Always answering the largest class"
        f" of the training split gives {_percent(first.majority)} % top-1.",
        "",
        "| # | system | top-1 % | 95 % interval | top-5 % | macro-F1 % | mean acc. % | log-loss"
        " | ECE % |" + " the paper's top-1 % |" * paper,
        "|--:|---|--:|:-:|--:|--:|--:|--:|--:|" + "--:|" * paper,
        *(_table_row(row, paper=paper) for row in rows),
        "",
    ]
    weights = [f"- **{_cell(row.name)}**: {_weights(row)}" for row in rows if row.weights]
    compared = [_comparison_row(row, one) for row in rows for one in row.comparisons]
    seeds = [f"- **{_cell(row.name)}**: {_scatter(row.seeds)}" for row in rows if row.seeds]
    if weights or seeds:
        lines += [*weights, *seeds, ""]
    if compared:
        lines += [
            "| system | against | points | 95 % interval | right only here, only there | p"
            " | p (Holm) | in words |",
            "|---|---|--:|:-:|:-:|--:|--:|---|",
            *compared,
            "",
        ]
    return lines


def _table_row(row: ResultRow, *, paper: bool) -> str:
    m = row.metrics
    cells = [
        f"{row.index:02d}",
        _cell(row.name),
        _percent(m.top1),
        f"{_percent(row.interval.low)} to {_percent(row.interval.high)}",
        _percent(m.top5),
        _percent(m.macro_f1),
        _percent(m.mean_acc),
        f"{m.log_loss:.3f}",
        _percent(m.ece),
        *([f"{row.paper_top1:.3f}" if row.paper_top1 is not None else ""] if paper else []),
    ]
    return "| " + " | ".join(cells) + " |"


def _comparison_row(row: ResultRow, one: Comparison) -> str:
    """One comparison, with a word on whether it is more than noise."""
    words = {
        "better": "better, beyond noise",
        "worse": "worse, beyond noise",
        "noise": "not distinguishable from noise",
    }
    other = "the best single stream" if one.role == "best single" else "equal weights"
    cells = [
        _cell(row.name),
        f"{_cell(one.name)} ({other})",
        f"{100 * one.difference:+.2f}",
        f"{100 * one.interval.low:+.2f} to {100 * one.interval.high:+.2f}",
        f"{one.test.only_first}, {one.test.only_second}",
        f"{one.test.p_value:.3f}",
        f"{one.holm:.3f}",
        words[one.verdict()],
    ]
    return "| " + " | ".join(cells) + " |"


def _weights(row: ResultRow) -> str:
    """The rule and what it gave each member."""
    kind = row.rule.kind if row.rule else "single"
    given = ", ".join(f"{key} {value:.3f}" for key, value in sorted((row.weights or {}).items()))
    return f"{kind}; {given}"


def _scatter(seeds: Sequence[float]) -> str:
    """Top-1 of each seed, their mean and standard deviation."""
    each = ", ".join(map(_percent, seeds))
    spread = f"{_percent(mean(seeds))}, standard deviation {_percent(stdev(seeds))}"
    return f"{len(seeds)} seeds give {each} % (mean {spread})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _notes(resampling: Resampling) -> list[str]:
    return [
        f"- Intervals: percentile bootstrap, {resampling.resamples} resamples of whole videos, seed"
        f" {resampling.seed}. Clips of one video share a person,",
        "  so resampling clips would give intervals that are too narrow.",
        "- p: exact McNemar test of the clips that only one of the two gets right; Holm's"
        " correction takes all comparisons of the split together.",
        f"- A difference is beyond noise only where the corrected p is below {SIGNIFICANT} and its"
        " interval leaves out 0: clips of one video",
        "  are not independent, so p alone is too hopeful. The best single stream is the best on"
        " these very clips, which favours it.",
        "- Macro-F1 and mean accuracy run over the classes that occur in the split's labels.",
        "- Log-loss in nats (probabilities at least 1e-7); ECE over 15 bins of equal width.",
    ]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"
