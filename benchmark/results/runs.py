"""The results table as MLflow runs, one parent and one child a row; and its analysis as one run."""

from __future__ import annotations

import time
from statistics import mean, stdev
from typing import TYPE_CHECKING

from benchmark.tracking.records import RunRecord, Table, new_record
from benchmark.tracking.store import TABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmark.editions.edition import Edition
    from benchmark.evaluation.diversity import Complementarity
    from benchmark.params.params import Analysis
    from benchmark.results.table import ResultRow

PERCENT = 100
SHORT = {"best single": "vs_single", "uniform": "vs_even"}
"""Metrics of a comparison: points of top-1; with _p, its p-value with Holm's correction."""


def table_records(
    root: Path, rows: Sequence[ResultRow], edition: Edition, artifacts: Sequence[Path]
) -> list[RunRecord]:
    """The parent and one child a row; scores of validation and, prefixed, of test; per cent."""
    now = time.time_ns() // 1_000_000
    lines: dict[int, dict[str, ResultRow]] = {}
    for row in rows:
        lines.setdefault(row.index, {})[row.split] = row
    kind = "generated data" if not edition.comparable else "published data"
    parent = new_record(
        root,
        experiment=TABLE,
        name=f"table {edition.name}",
        start_ms=now,
        end_ms=now,
        params={"edition": f"{edition.name}/{edition.version}", "data": kind},
        tags={"kind": "table"},
        artifacts=artifacts,
        table=_table(lines),
    )
    children = [
        new_record(
            root,
            experiment=TABLE,
            name=_name(by_split),
            start_ms=now + index,
            end_ms=now + index,
            parent_key=parent.run_key,
            params=_params(by_split, kind),
            tags={"kind": "row", "row.index": f"{index:02d}"},
            metrics=_metrics(by_split),
        )
        for index, by_split in lines.items()
    ]
    return [parent, *children]


def analysis_record(
    root: Path, spec: Analysis, edition: Edition, known: Mapping[str, Complementarity], out: Path
) -> RunRecord:
    """One run with every file of `out`; per cent, what each member adds among them.

    `known` maps a split to what its members know.
    """
    now = time.time_ns() // 1_000_000
    metrics: dict[str, float] = {}
    for split, found in known.items():
        shares = {"oracle": found.oracle, "equal_weights": found.fused}
        shares |= dict(
            zip((f"adds.{name}" for name in found.names), found.shapley.tolist(), strict=True)
        )
        prefix = "" if split == "val" else f"{split}_"
        metrics |= {prefix + name: round(PERCENT * share, 2) for name, share in shares.items()}
    return new_record(
        root,
        experiment=TABLE,
        name=f"analysis {edition.name}",
        start_ms=now,
        end_ms=now,
        params={"analysis": spec.model_dump(mode="json")},
        tags={"kind": "analysis", "edition": f"{edition.name}/{edition.version}"},
        metrics=metrics,
        artifacts=sorted(file for file in out.rglob("*") if file.is_file()),
    )


def _any(by_split: Mapping[str, ResultRow]) -> ResultRow:
    return next(iter(by_split.values()))


def _name(by_split: Mapping[str, ResultRow]) -> str:
    row = _any(by_split)
    return f"{row.index:02d} {row.name}"


def _params(by_split: Mapping[str, ResultRow], kind: str) -> dict[str, object]:
    row = _any(by_split)
    weights = {name: round(weight, 4) for name, weight in (row.weights or {}).items()}
    return {
        "source": row.source,
        "members": "+".join(row.members) or row.source,
        "rule": row.rule.kind if row.rule else "single",
        "weights": weights,
        "data": kind,
    }


def _metrics(by_split: Mapping[str, ResultRow]) -> dict[str, float]:
    """Short names: the UI cuts long ones. Validation bare, other splits with their name."""
    found: dict[str, float] = {}
    for split, row in by_split.items():
        prefix = "" if split == "val" else f"{split}_"
        scores = {
            "top1": row.metrics.top1,
            "low": row.interval.low,
            "high": row.interval.high,
            "top5": row.metrics.top5,
            "macro_f1": row.metrics.macro_f1,
            "mean_acc": row.metrics.mean_acc,
            "ece": row.metrics.ece,
        }
        found |= {prefix + name: round(PERCENT * value, 2) for name, value in scores.items()}
        found[f"{prefix}log_loss"] = round(row.metrics.log_loss, 4)
        if row.seeds:
            found[f"{prefix}seeds_mean"] = round(PERCENT * mean(row.seeds), 2)
            found[f"{prefix}seeds_sd"] = round(PERCENT * stdev(row.seeds), 2)
        for one in row.comparisons:
            against = SHORT[one.role]
            found[f"{prefix}{against}"] = round(PERCENT * one.difference, 2)
            found[f"{prefix}{against}_p"] = round(one.holm, 4)
    return found


def _table(lines: Mapping[int, Mapping[str, ResultRow]]) -> Table:
    metrics = {index: _metrics(by_split) for index, by_split in lines.items()}
    columns = list(dict.fromkeys(column for found in metrics.values() for column in found))
    rows = [
        (_name(lines[index]), *(found.get(column) for column in columns))
        for index, found in metrics.items()
    ]
    return Table(columns=("row", *columns), rows=tuple(rows))
