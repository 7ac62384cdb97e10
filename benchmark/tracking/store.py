"""The MLflow store: open it, search it, write to it. Only this module imports mlflow.

MLflow is the window, DVC is the ledger: no stage reads a result back from MLflow, and
`benchmark.tracking.sync` recreates every recorded run from `runs/*.json`.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, NamedTuple

from benchmark.core.errors import BenchmarkError
from benchmark.core.files import inside
from benchmark.tracking.records import Point

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run as StoredRun

    from benchmark.tracking.records import RunRecord, Table

log = logging.getLogger(__name__)

TRAIN = "mmgesture/train"
TABLE = "mmgesture/table"
DATA = "mmgesture/data"
SUBMISSION = "mmgesture/submission"
EXPERIMENTS = (TRAIN, TABLE, DATA, SUBMISSION)

TABLE_FILE = "results_table.json"
SAMPLING_SECONDS = 10
"""Time between two samples of processor, memory, disk, network and GPU."""
SYSTEM = "system/"
"""MLflow begins the names of those samples with this."""
RUNS_PER_PAGE = 1000
BUSY_SECONDS = 20
"""How long MLflow waits for a locked SQLite file; our own connection waits as long."""
TEXT_COLUMNS = """
    SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c
    WHERE t.type = 'table' AND (c.type = 'TEXT' OR c.type LIKE 'VARCHAR%')
"""


class Store(NamedTuple):
    """An open MLflow store: a server, or the folder `mlruns/` of one project."""

    client: MlflowClient
    uri: str
    home: Path | None
    """The folder `mlruns/`; None for a server."""


def find_root(start: Path | None = None) -> Path:
    """Return the nearest folder with a params.yaml, from `start` (or the working folder) upward.

    Raises:
        BenchmarkError: No folder has one.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "params.yaml").is_file():
            return folder
    raise BenchmarkError(start, "not inside a project", expected="a params.yaml here or above")


def open_store(root: Path) -> Store:
    """Open the store of a project. Create it if there is none; follow the project if it moved.

    An http(s) `MLFLOW_TRACKING_URI` names a server, which is then the store; any other value is
    ignored. `dvc exp run --queue` works in a copy of the project, so the store is that of the
    project itself (`DVC_ROOT`).
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow import MlflowClient

    # MLflow logs every step of creating its tables at INFO; the log of a stage is for the stage.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    if server.startswith(("http://", "https://")):
        return Store(MlflowClient(server), server, None)
    base = Path(os.environ.get("DVC_ROOT") or root).resolve()
    home = base / "mlruns"
    home.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{home / 'mlflow.db'}"
    # Processes that create the tables at the same time break each other (measured: 5 of 6 die).
    with locked(home, "init"):
        store = Store(MlflowClient(uri), uri, home)
        _follow_move(store.client, home)
        _link(base)
    return store


@contextmanager
def locked(home: Path | None, name: Literal["init", "sync"]) -> Iterator[None]:
    """Let one process of this machine at a time into the `with`. A server keeps order itself."""
    if home is None:
        yield
        return
    # The kernel drops the lock of a process that dies, so a kill leaves no stale lock behind.
    with (home / f".{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _follow_move(client: MlflowClient, home: Path) -> None:
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
    for old in homes - {str(home)}:
        log.warning("%s: the project was at %s; rewriting the paths", home, Path(old).parent)
        with closing(sqlite3.connect(home / "mlflow.db", timeout=BUSY_SECONDS)) as base, base:
            # Every text that begins with the old folder, in whichever column MLflow keeps it.
            for table, column in base.execute(TEXT_COLUMNS).fetchall():
                base.execute(
                    f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) '
                    f'WHERE substr("{column}", 1, ?) = ?',
                    (f"{home}/", len(old) + 2, len(old) + 1, f"{old}/"),
                )


def _link(base: Path) -> None:
    """Link `mlflow.db` in the project to the store: a plain `mlflow ui` looks for that name."""
    link, target = base / "mlflow.db", Path("mlruns/mlflow.db")
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
            # Another process may have created it between the first look and the lock.
            experiment = store.client.get_experiment_by_name(name)
            if experiment is None:
                location = None if store.home is None else f"{store.home}/artifacts/{name}"
                return store.client.create_experiment(name, location)
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
    return store.client.create_run(
        experiment_id(store, record.experiment),
        start_time=record.start_ms,
        tags={**record.tags, **tags},
        run_name=record.name,
    ).info.run_id


def write(
    store: Store,
    run_id: str,
    *,
    points: Sequence[Point] = (),
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Add metrics, parameters and tags to a run.

    Args:
        store: Where the run is.
        run_id: MLflow's id of the run.
        points: Values of metrics, any number of them.
        params: Parameters; MLflow refuses to change one that the run has.
        tags: Tags; they replace those of the same name.
    """
    from mlflow.entities import Metric, Param, RunTag

    # All in one call: each call is a transaction on disk (4 ms). MLflow splits long batches.
    store.client.log_batch(
        run_id,
        metrics=[Metric(item.key, item.value, item.timestamp_ms, item.step) for item in points],
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
def sampling(store: Store, run_id: str) -> Iterator[None]:
    """Log the load of the machine to a run during the `with`."""
    # MLflow's own switch, `start_run(log_system_metrics=True)`, works on the process's active run
    # only. This is the class behind it: a thread, so that a long epoch delays no sample.
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, SAMPLING_SECONDS, tracking_uri=store.uri)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()


def read_samples(store: Store, run_id: str) -> list[Point]:
    """Read the load of the machine back: the record needs it, and only MLflow samples it."""
    keys = [key for key in store.client.get_run(run_id).data.metrics if key.startswith(SYSTEM)]
    return [
        Point(key=item.key, value=item.value, step=item.step, timestamp_ms=item.timestamp)
        for key in sorted(keys)
        for item in store.client.get_metric_history(run_id, key)
    ]


def give_up(store: Store, run_id: str, status: Literal["KILLED", "FAILED"]) -> None:
    """End a run that an error has ended; log, and do not raise, what the store answers."""
    from mlflow.exceptions import MlflowException

    try:
        store.client.set_terminated(run_id, status)
    except MlflowException:
        # The user must see the error that ended the run, not this one. `close_stale` closes the
        # run later.
        log.exception("could not mark the run %s", status)
