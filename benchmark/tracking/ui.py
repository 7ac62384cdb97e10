"""Views of the MLflow UI: which runs, which columns, in which order.

They are experiment tags in MLflow's own, undocumented format: read from the UI of 3.17.2 and looked
at in Chromium. A newer UI that ignores them shows its plain list; no number depends on them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

TAG = "mlflow.sharedViewState."
TABLE_VIEW = "results-table"
RUNS_VIEW = "runs"

TABLE_PARAMS = ("members", "rule")
TABLE_METRICS = ("top1", "low", "high", "top5", "macro_f1", "mean_acc")
TRAIN_PARAMS = ("recipe.name", "backbone.kind", "optimizer.lr")
TRAIN_METRICS = ("top1", "top5", "macro_f1", "mean_acc", "val/top1", "val/loss", "train/loss")
WIDTHS = {"params": 105, "metrics": 78}
"""Pixels; so many columns then stand beside the panel that the UI opens with."""


def table_view(parent_run_id: str, params: Collection[str], metrics: Collection[str]) -> str:
    """The rows of one results table in the order of the page.

    Args:
        parent_run_id: MLflow's id of the run that the rows lie under.
        params: Names that the rows have.
        metrics: Names that the rows have; those of test (`test_top1`) stand beside their twins.
    """
    pairs = [name for metric in TABLE_METRICS for name in (metric, f"test_{metric}")]
    shown = [name for name in pairs if name in metrics]
    columns = _columns(_chosen(TABLE_PARAMS, params), shown)
    chosen = f"tags.kind = 'row' and tags.mlflow.parentRunId = '{parent_run_id}'"
    return _view("Results table", columns, chosen, "tags.`row.index`", ascending=True)


def runs_view(params: Collection[str], metrics: Collection[str]) -> str:
    """All runs of an experiment, newest first, with the columns that tell them apart."""
    columns = _columns(_chosen(TRAIN_PARAMS, params), _chosen(TRAIN_METRICS, metrics))
    return _view("Runs", columns, "", "attributes.start_time", ascending=False)


def _chosen(wanted: Sequence[str], names: Collection[str]) -> list[str]:
    """The names that are wanted, or end so (`recipe.optimizer.lr`), in the order of the wish."""
    return [
        name for end in wanted for name in sorted(names) if name == end or name.endswith(f".{end}")
    ]


def _columns(params: list[str], metrics: list[str]) -> list[str]:
    return [f"params.`{name}`" for name in params] + [f"metrics.`{name}`" for name in metrics]


def _view(name: str, columns: list[str], chosen: str, order: str, *, ascending: bool) -> str:
    state: dict[str, Any] = {
        "searchFilter": chosen,
        "orderByKey": order,
        "orderByAsc": ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {column: WIDTHS[column.partition(".")[0]] for column in columns},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "FIRST_20_RUNS",
        "viewMaximized": True,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
        "globalLineChartConfig": {
            "xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": "",
        },
    }  # fmt: skip
    # Constant times: the tag is then rewritten only when the view itself changed.
    view = {"name": name, "createdAt": 0, "updatedAt": 0, "state": json.dumps(state)}
    return json.dumps(view)
