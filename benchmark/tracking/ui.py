"""The MLflow UI: links that open it on what a person looks for, and the server behind them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import quote, urlencode

from benchmark.core.errors import BenchmarkError
from benchmark.tracking.database import without_password
from benchmark.tracking.store import (
    TABLE,
    TABLE_FILE,
    TRAIN,
    URI,
    experiment_id,
    open_store,
    search,
)

if TYPE_CHECKING:
    from pathlib import Path

# Without it the UI opens as one for generative AI, which has no list of runs.
MODE = {"workflowType": "machine_learning"}
CHARTS = {"compareRunsMode": "CHART", **MODE}


def ui_links(root: Path, port: int) -> dict[str, str]:
    """Return what to look at -> its link: the results table, its rows, the trainings.

    The query strings are those that the UI itself writes into the address bar. There is no results
    table before stage `table` has run.

    Raises:
        BenchmarkError: The runs are on a server, which has its own UI.
    """
    store = open_store(root)
    if store.home is None:
        do = f"Open {without_password(store.uri)}"
        raise BenchmarkError(URI, "names a server, which serves its runs itself", do=do)

    def page(experiment: str, query: dict[str, str], within: str = "") -> str:
        place = f"experiments/{experiment_id(store, experiment)}/runs{within}"
        return f"http://127.0.0.1:{port}/#/{place}?{urlencode(query, quote_via=quote)}"

    links = {}
    tables = search(store, "tags.kind = 'table'", TABLE)
    if tables:
        latest = max(tables, key=lambda run: run.info.start_time).info.run_id
        rows = {
            "searchFilter": f"tags.kind = 'row' and tags.mlflow.parentRunId = '{latest}'",
            "orderByKey": "tags.`row.index`",
            "orderByAsc": "true",
        }
        links["results table"] = page(TABLE, MODE, f"/{latest}/artifacts/{TABLE_FILE}")
        links["rows of the table"] = page(TABLE, rows | CHARTS)
    return links | {"trainings": page(TRAIN, CHARTS)}


def serve(root: Path, port: int) -> NoReturn:
    """Replace this process with `mlflow ui`, for this machine only."""
    uri = open_store(root).uri
    # One worker and no job runner: 0.5 GB of memory instead of 2.1 GB.
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    os.execve(sys.executable, command, environment)
