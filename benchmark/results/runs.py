"""The results table as MLflow runs, one parent and one child per row; the analysis as one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING

from benchmark.results.best_page import best_records
from benchmark.results.online import online_records, prefix_of
from benchmark.tracking.records import NOTE, RunRecord, Table, edition_tags, new_record
from benchmark.tracking.store import TABLE

if TYPE_CHECKING:
    from benchmark.editions.edition import Edition
    from benchmark.evaluation.diversity import Complementarity
    from benchmark.params.params import Analysis
    from benchmark.results.table import ResultRow
    from benchmark.results.writers import Page

PERCENT = 100
SHARES = {"top1", "top5", "macro_f1", "mean_acc", "ece"}
"""Scores that a run shows in per cent."""
SHORT = {"best single": "vs_single", "uniform": "vs_even", "best member": "vs_member"}
"""Metrics of a comparison: points of top-1; with _p, its p-value with Holm's correction."""


def table_records(root: Path, page: Page, artifacts: Sequence[Path]) -> list[RunRecord]:
    """Record the table of a project as a run that shows the `artifacts`, and runs below it.

    They are one per row (those of one index share it), the best set of streams, and one per entry
    of section `online`; scores in per cent.
    """
    edition = page.edition
    by_index: dict[int, list[ResultRow]] = {}
    for row in page.rows:
        by_index.setdefault(row.index, []).append(row)
    kind = "generated data" if not edition.comparable else "published data"
    parent = new_record(
        root, experiment=TABLE, name=f"table {edition.name}",
        params={"edition": edition.stamp, "data": kind},
        tags=edition_tags(
            "table", edition, f"{len(by_index)} systems on {edition.title}; one run per row below."
        ),
        artifacts=artifacts, table=_table(by_index),
    )  # fmt: skip
    children = [
        # A millisecond per row: the UI sorts by start, and so shows the rows in their order.
        new_record(
            root, experiment=TABLE, name=same[0].title, end_ms=parent.end_ms + index,
            parent_key=parent.run_key, params=_params(same[0], kind), metrics=_metrics(same),
            tags={"kind": "row", "row.index": f"{index:02d}", NOTE: _described(same[0])},
        )
        for index, same in by_index.items()
    ]  # fmt: skip
    best = best_records(root, edition, page.best)
    return [parent, *children, *best, *online_records(root, page.online, parent)]


def analysis_record(
    root: Path, spec: Analysis, edition: Edition, members: Mapping[str, Complementarity], out: Path
) -> RunRecord:
    """Record an analysis as one run with every file of `out`; scores in per cent.

    Args:
        root: Folder of the project.
        spec: The params that asked for the analysis.
        edition: Whose clips were analyzed.
        members: Split -> how the members complement each other on it.
        out: Folder of the analysis.
    """
    metrics: dict[str, float] = {}
    for split, found in members.items():
        adds = zip((f"adds.{name}" for name in found.names), found.shapley.tolist(), strict=True)
        shares = {"oracle": found.oracle, "equal_weights": found.fused, **dict(adds)}
        prefix = prefix_of(split)
        metrics |= {prefix + name: round(PERCENT * share, 2) for name, share in shares.items()}
    return new_record(
        root, experiment=TABLE, name=f"analysis {edition.name}",
        params={"analysis": spec.model_dump(mode="json")}, metrics=metrics,
        tags=edition_tags(
            "analysis", edition, f"Confusion, calibration, members and hard clips of {spec.source}."
        ),
        artifacts=sorted(file for file in out.rglob("*") if file.is_file()),
    )  # fmt: skip


def report_record(root: Path, edition: Edition, page: Path) -> RunRecord:
    """Record the report as one run that shows the page."""
    return new_record(
        root, experiment=TABLE, name=f"report {edition.name}",
        tags=edition_tags("report", edition, "All results on one page: artifact report.html."),
        artifacts=[page],
    )  # fmt: skip


def _described(row: ResultRow) -> str:
    if row.rule is None:
        return f"{row.name}: the stream {row.source}, alone."
    return f"{row.name}: {', '.join(row.members)}, fused by rule {row.rule.kind}."


def _params(row: ResultRow, kind: str) -> dict[str, object]:
    return {
        "source": row.source,
        "members": "+".join(row.members) or row.source,
        "rule": row.rule.kind if row.rule else "single",
        "weights": {name: round(weight, 4) for name, weight in (row.weights or {}).items()},
        "data": kind,
    }


def _metrics(rows: Sequence[ResultRow]) -> dict[str, float]:
    """Collect the scores of one system on each split."""
    metrics: dict[str, float] = {}
    for row in rows:
        prefix = prefix_of(row.split)
        span = row.interval.model_dump() if row.interval else {}
        scores = {"top1": row.metrics.top1, **span, **row.metrics.model_dump(include=SHARES)}
        # Per cent with two decimals, which is as much as the UI's columns show.
        metrics |= {prefix + name: round(PERCENT * value, 2) for name, value in scores.items()}
        metrics[f"{prefix}log_loss"] = round(row.metrics.log_loss, 4)
        if row.seeds:
            metrics[f"{prefix}seeds_mean"] = round(PERCENT * mean(row.seeds), 2)
            metrics[f"{prefix}seeds_sd"] = round(PERCENT * stdev(row.seeds), 2)
        for comparison in row.comparisons:
            against = SHORT[comparison.role]
            metrics[f"{prefix}{against}"] = round(PERCENT * comparison.difference, 2)
            metrics[f"{prefix}{against}_p"] = round(comparison.holm, 4)
    return metrics


def _table(by_index: Mapping[int, Sequence[ResultRow]]) -> Table:
    metrics = [(same[0].title, _metrics(same)) for same in by_index.values()]
    # A dict keeps the order of first use, which a set would not: rows differ in their columns.
    columns = list(dict.fromkeys(column for _, row in metrics for column in row))
    rows = tuple((title, *(row.get(column) for column in columns)) for title, row in metrics)
    return Table(columns=("row", *columns), rows=rows)
