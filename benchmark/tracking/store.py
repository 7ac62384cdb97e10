"""The MLflow store: open it, search it, write to it. Only this module imports mlflow.

MLflow is the window, DVC is the ledger: no stage reads a result back from MLflow, and
`benchmark.tracking.sync` recreates every recorded run from `runs/*.json`.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlsplit

from benchmark.core.files import inside
from benchmark.tracking.database import (
    DATABASE,
    StoreError,
    Whole,
    address,
    escaped,
    examine,
    locked,
    move_aside,
    rewrite_paths,
    store_error,
)
from benchmark.tracking.records import NOTE, Point, RunRecord, Table

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as StoredRun

log = logging.getLogger(__name__)

TRAIN = "mmgesture/train"
TABLE = "mmgesture/table"
DATA = "mmgesture/data"
SUBMISSION = "mmgesture/submission"
EXPERIMENTS = {
    TRAIN: "Trainings: one run per experiment of params.yaml, with its curves.",
    TABLE: "Results: a run per table, with a run per row below it; analyses and reports.",
    DATA: "What raw archives hold, and pictures of every modality.",
    SUBMISSION: "Leaderboard files, with what they are made of.",
}
"""Experiments of MLflow -> their description in the UI."""

TABLE_FILE = "results_table.json"
SAMPLING_SECONDS = 10
"""Time between two samples of processor, memory, disk, network and GPU."""
SYSTEM = "system/"
"""The names of those samples begin with this, as MLflow's own do: the UI has a page for them."""
RUNS_PER_PAGE = 1000
URI = "MLFLOW_TRACKING_URI"
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow tries 8 times for 2 minutes each: a server that is away would hold up a stage.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}
"""Environment of MLflow, unless the user sets another."""


class Store(NamedTuple):
    """An open MLflow store: a server, or the folder `mlruns/` of one project."""

    client: MlflowClient
    """It raises `StoreError` where MLflow fails."""
    uri: str
    home: Path | None
    """The folder `mlruns/`; None for a server."""


class _Client:
    """MLflow's client, whose failures are `StoreError`; a bug of ours stays what it is."""

    def __init__(self, client: MlflowClient, where: object) -> None:
        self._client, self._where = client, where

    def __getattr__(self, name: str) -> Any:
        return _failures_named(self._where)(getattr(self._client, name))


@contextmanager
def _failures_named(where: object) -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    # MLflow raises a ValueError for an address or an answer that it cannot read.
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ValueError) as error:
        raise store_error(where, error) from None


def tracking_server() -> str | None:
    """Return the server that MLFLOW_TRACKING_URI names; None where the runs go to `mlruns/`.

    Raises:
        StoreError: It is no address of a server.
    """
    uri = os.environ.get(URI, "").strip()
    if uri.lower().startswith(("http://", "https://")):
        try:
            _ = urlsplit(uri).port
        except ValueError:  # whose text may quote a part of the password
            raise StoreError(URI, "is not an address", expected="http(s)://HOST:PORT") from None
        return uri
    if uri:
        _warn_of_kind(uri.partition(":")[0])
    return None


@cache
def _warn_of_kind(kind: str) -> None:
    # The kind alone: the rest may hold a password.
    log.warning("%s is '%.40s...', not http(s)://: the runs go to mlruns/", URI, kind)


def open_store(root: Path) -> Store:
    """Open the store of a project. Create it if there is none; follow the project if it moved.

    An http(s) `MLFLOW_TRACKING_URI` names a server, which is then the store; any other value is
    ignored with a warning. `dvc exp run --queue` works in a copy of the project, so the store is
    that of the project itself (`DVC_ROOT`).

    Raises:
        StoreError: The store cannot be opened. Work that needs no store takes a `Window`.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    # MLflow prints the address of a server at the end of a run, with its password.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    from mlflow import MlflowClient

    # MLflow and its libraries log steps of creating tables, every retry, and tracebacks of errors
    # that they raise as well; the log of a stage is for the stage.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("mlflow.store.db.utils", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if server := tracking_server():
        client = _Client(MlflowClient(server), server)
        return Store(cast("MlflowClient", client), server, None)
    base = Path(os.environ.get("DVC_ROOT") or root).resolve()
    home = base / "mlruns"
    file = home / DATABASE
    with _failures_named(file):
        home.mkdir(parents=True, exist_ok=True)
        # Processes that create the tables at the same time break each other (5 of 6 die).
        with locked(home, "init"):
            _make_whole(file)
            client = MlflowClient(address(file))
            _follow_move(client, file)
            _link(base)
    return Store(cast("MlflowClient", _Client(client, file)), address(file), home)


def store_state(file: Path) -> Whole:
    """Return what `examine` says of a database, by the schema of the installed MLflow."""
    from mlflow.store.db.base_sql_model import Base
    from mlflow.store.db.utils import _get_latest_schema_revision

    return examine(file, _get_latest_schema_revision(), Base.metadata.tables)


def _make_whole(file: Path) -> None:
    """Create the database if there is none, or half of one, which is kept under another name."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if store_state(file) == "whole":
        return
    move_aside(file)
    # Under another name, so that a kill leaves no half of a store.
    part = file.with_name(f".{file.name}.part")
    for left in part.parent.glob(f"{part.name}*"):
        left.unlink()
    SqlAlchemyStore(address(part), escaped(file.parent)).engine.dispose()
    part.replace(file)


def _follow_move(client: MlflowClient, file: Path) -> None:
    """Rewrite the paths in the database if the project was moved or copied since it wrote them.

    MLflow stores absolute paths and has no call that changes them: it would write new artifacts to
    the old place and show none of the old ones. See docs/decisions/0010.
    """
    from mlflow.entities import ViewType

    ends = {
        experiment.artifact_location: f"/artifacts/{experiment.name}"
        for experiment in client.search_experiments(ViewType.ALL)
        if experiment.name in EXPERIMENTS
    }
    homes = {path.removesuffix(end) for path, end in ends.items() if path.endswith(end)}
    for old in homes - {escaped(file.parent)}:
        log.warning("%s: the project was at %s; rewriting the paths", file, Path(old).parent)
        rewrite_paths(file, old, escaped(file.parent))


def _link(base: Path) -> None:
    """Link `mlflow.db` in the project to the store: a plain `mlflow ui` looks for that name."""
    link, target = base / DATABASE, Path("mlruns", DATABASE)
    if link.is_symlink() and link.readlink() == target:
        return
    if link.is_symlink() or link.exists():
        log.warning("%s is not a link to %s: a plain 'mlflow ui' shows other runs", link, target)
    else:
        link.symlink_to(target)


def experiment_id(store: Store, name: str) -> str:
    """Return MLflow's id of an experiment. Create it if there is none; restore a deleted one."""
    experiment = store.client.get_experiment_by_name(name)
    if experiment is None:
        with locked(store.home, "init"):
            experiment = store.client.get_experiment_by_name(name)  # another may have been quicker
            if experiment is None:
                location = None if store.home is None else f"{escaped(store.home)}/artifacts/{name}"
                tags = {NOTE: EXPERIMENTS[name]} if name in EXPERIMENTS else {}
                try:
                    return store.client.create_experiment(name, location, tags)
                except StoreError:
                    # On a server, which has no lock of ours, another machine may have been faster.
                    experiment = store.client.get_experiment_by_name(name)
                    if experiment is None:
                        raise
    if experiment.lifecycle_stage == "deleted":
        store.client.restore_experiment(experiment.experiment_id)
    return experiment.experiment_id


def search(store: Store, query: str, *names: str, deleted: bool = False) -> list[StoredRun]:
    """Return all runs that match an MLflow filter string.

    Args:
        store: Where to look.
        query: Filter such as `tags.kind = 'table'`; the empty string matches every run.
        names: Experiments to look in; none means all of them.
        deleted: Whether runs that somebody deleted in the UI are returned too.
    """
    from mlflow.entities import ViewType

    experiments = store.client.search_experiments(ViewType.ALL)
    ids = [item.experiment_id for item in experiments if not names or item.name in names]
    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    runs: list[StoredRun] = []
    token = None
    while ids:
        page = store.client.search_runs(ids, query, view, RUNS_PER_PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            break
    return runs


def create(store: Store, record: RunRecord, tags: Mapping[str, str]) -> str:
    """Create a run with the name, start and tags of `record`, RUNNING; return its id."""
    run = store.client.create_run(
        experiment_id(store, record.experiment),
        start_time=record.start_ms,
        tags={**record.tags, **tags},
        run_name=record.name,
    )
    if not run.info.run_id:
        raise store_error(store.uri, "API request answered, but not as MLflow does")
    if edition := record.tags.get("edition"):
        _log_edition(store, run.info.run_id, edition)
    return run.info.run_id


def _log_edition(store: Store, run_id: str, edition: str) -> None:
    """Name the edition, as `mimic/5`, as the data set of a run: the UI has a column for it."""
    from mlflow.entities import Dataset, DatasetInput

    name, _, version = edition.partition("/")
    dataset = Dataset(name, f"version {version}", "dvc", json.dumps({"path": f"data/{name}"}))
    store.client.log_inputs(run_id, [DatasetInput(dataset)])


def write(
    store: Store,
    run_id: str,
    *,
    points: Sequence[Point] = (),
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    model: str | None = None,
) -> None:
    """Add metrics, parameters and tags to a run.

    Args:
        store: Where the run is.
        run_id: MLflow's id of the run.
        points: Values of metrics, any number of them.
        params: Parameters; MLflow refuses to change one that the run has.
        tags: Tags; they replace those of the same name.
        model: MLflow's id of the logged model that the metrics are of, too.
    """
    from mlflow.entities import Metric, Param, RunTag

    # All in one call: each call is a transaction on disk (4 ms). MLflow splits long batches.
    store.client.log_batch(
        run_id,
        metrics=[Metric(p.key, p.value, p.timestamp_ms, p.step, model) for p in points],
        params=[Param(*item) for item in (params or {}).items()],
        tags=[RunTag(*item) for item in (tags or {}).items()],
    )


def attach(store: Store, run_id: str, root: Path, artifacts: Sequence[str]) -> None:
    """Copy the files that exist to a run.

    Args:
        store: Where the run is.
        run_id: MLflow's id of the run.
        root: The repository.
        artifacts: Files relative to `root`; the run shows them below their deepest common folder.
    """
    if not artifacts:
        return
    shared = os.path.commonpath([str(PurePosixPath(path).parent) for path in artifacts])
    for path in artifacts:
        if not inside(root, path).is_file():
            log.info("%s does not exist: not attached to the run", path)
            continue
        folder = PurePosixPath(path).parent.relative_to(shared).as_posix()
        store.client.log_artifact(run_id, str(root / path), None if folder == "." else folder)


def attach_table(store: Store, run_id: str, table: Table) -> None:
    """Attach a table to a run as `results_table.json`, which the UI draws as a table."""
    cells = zip(*table.rows, strict=True) if table.rows else [()] * len(table.columns)
    columns = dict(zip(table.columns, map(list, cells), strict=True))
    store.client.log_table(run_id, columns, TABLE_FILE)


@contextmanager
def sampling(report: Callable[[int, dict[str, float]], None]) -> Iterator[None]:
    """Report the load of the machine during the `with`: number of the sample, and its values."""
    # MLflow's own switch, `start_run(log_system_metrics=True)`, stops for good at the first answer
    # that the store does not give. These are the classes behind it.
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor
    from mlflow.system_metrics.metrics.rocm_monitor import ROCMMonitor

    monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    for kind in (GPUMonitor, ROCMMonitor):
        # Without a GPU, or a library that asks it, these raise errors of many kinds.
        with suppress(Exception):
            monitors.append(kind())
    stop = threading.Event()

    def sample() -> None:
        for number in count():
            for monitor in monitors:
                monitor.collect_metrics()
            if stop.wait(SAMPLING_SECONDS):
                return
            values = {k: v for monitor in monitors for k, v in monitor.aggregate_metrics().items()}
            report(number, {f"{SYSTEM}{key}": value for key, value in values.items()})
            for monitor in monitors:
                monitor.clear_metrics()

    # A thread, so that a long epoch delays no sample.
    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
