"""The MLflow UI: links that open it on what a person looks for, and the server behind them."""

from __future__ import annotations

import errno
import json
import os
import socket
import warnings
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from benchmark.core.errors import BenchmarkError
from benchmark.tracking.database import without_password
from benchmark.tracking.records import read_records
from benchmark.tracking.store import (
    EXPERIMENTS,
    NOTE,
    TABLE,
    TABLE_FILE,
    TRAIN,
    URI,
    Store,
    experiment_id,
    open_store,
    search,
)

# Without it the UI opens as one for generative AI, which has no list of runs.
MODE = {"workflowType": "machine_learning"}
CHARTS = {"compareRunsMode": "CHART", **MODE}
DEFAULT = {"Default": "MLflow's own, for runs that name no experiment: none of this project."}


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

    describe_experiments(store)
    links = {}
    if table := _table_here(root, store):
        rows = {
            "searchFilter": f"tags.kind = 'row' and tags.mlflow.parentRunId = '{table}'",
            "orderByKey": "tags.`row.index`",
            "orderByAsc": "true",
        }
        links["results table"] = page(TABLE, MODE, f"/{table}/artifacts/{TABLE_FILE}")
        links["rows of the table"] = page(TABLE, rows | CHARTS)
    return links | {"trainings": page(TRAIN, CHARTS)}


def _table_here(root: Path, store: Store) -> str | None:
    """Return the id of the run whose table lies here, else of the latest table."""
    # DVC brings an earlier table back from its cache without a new run: the latest is another then.
    tables = search(store, "tags.kind = 'table'", TABLE)
    record = root / "runs/table.json"
    keys = {one.run_key for one in read_records(record)} if record.is_file() else set()
    here = [run for run in tables if run.data.tags.get("run_key") in keys]
    latest = max(here or tables, key=lambda run: run.info.start_time, default=None)
    return latest.info.run_id if latest else None


def describe_experiments(store: Store) -> None:
    """Describe the experiments that say nothing: MLflow's own, and those of older stores."""
    for experiment in store.client.search_experiments():
        told = (EXPERIMENTS | DEFAULT).get(experiment.name)
        if told and NOTE not in experiment.tags:
            store.client.set_experiment_tag(experiment.experiment_id, NOTE, told)


def listen(port: int) -> socket.socket:
    """Take a port of this machine alone. A browser that is too early waits for its answer.

    Raises:
        BenchmarkError: Another program listens there.
    """
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        do = "Give another --port, or end that program"
        raise BenchmarkError(f"port {port}", "another program listens there", do=do) from None


def serve(root: Path, listener: socket.socket, home: str) -> None:
    """Serve MLflow until Ctrl-C, in this process: nothing of it can outlive a kill.

    `mlflow ui` starts a second process, and leaves that one behind if it is killed itself.

    The bare address opens `home`, one of `ui_links`.
    """
    uri = open_store(root).uri
    os.environ |= {
        "_MLFLOW_SERVER_FILE_STORE": uri,
        "_MLFLOW_SERVER_REGISTRY_STORE": uri,
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    # Of MLflow's own code; a user can do nothing about it.
    warnings.filterwarnings("ignore", module="mlflow")
    import uvicorn

    app = _opening_at(home.partition("#")[2])
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _opening_at(place: str) -> Any:
    """Return MLflow's server; its page goes to `place` where an address names no place in it."""
    from starlette.responses import HTMLResponse
    from starlette.routing import Route
    from uvicorn.importer import import_from_string

    app = import_from_string("mlflow.server.fastapi_app:app")
    page = (files("mlflow") / "server/js/build/index.html").read_text("utf-8")
    # The server never sees what follows the '#': only a script can tell that nothing does.
    script = f"<script>location.hash || location.replace({json.dumps('#' + place)})</script>"
    page = page.replace("<head>", f"<head>{script}", 1)
    app.router.routes.insert(0, Route("/", lambda _: HTMLResponse(page)))
    return app
