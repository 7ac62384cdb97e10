"""The one door to MLflow: how a store is opened, what a stage tells it, how it is shown.

MLflow is the window, not the ledger: no result is read back from it, and all it shows can be made
again from `runs/*.json` by `benchmark.tracking.sync`.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from benchmark.core.errors import BenchmarkError
from benchmark.core.files import inside
from benchmark.tracking.records import Point, is_dead, new_record, write_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run as StoredRun

    from benchmark.tracking.records import RunRecord

log = logging.getLogger(__name__)

TRAIN = "mmgesture/train"
TABLE = "mmgesture/table"
DATA = "mmgesture/data"
SUBMISSION = "mmgesture/submission"
KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Says what the experiments are; the UI of 3.17.2 asks the URL instead (`saved_views`)."""

SAMPLING_SECONDS = 10
"""Between two samples of processor, memory, disk, network and GPU."""
SYSTEM = "system/"
"""What MLflow puts before the names of those samples."""
RUNS_AT_ONCE = 1000
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Where MLflow's database holds absolute paths."""


# ---------------------------------------------------------------- the store


class Store(NamedTuple):
    """An open place of runs: a server, or `mlruns/` of one project."""

    client: MlflowClient
    uri: str
    home: Path | None
    """The folder `mlruns/`; None for a server."""


def find_root(start: Path | None = None) -> Path:
    """The nearest folder with a params.yaml, from `start` (or the working folder) upwards.

    Raises:
        BenchmarkError: There is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "params.yaml").is_file():
            return folder
    raise BenchmarkError(start, "not inside a project", expected="a params.yaml here or above")


def open_store(root: Path) -> Store:
    """The store of a project, made where there is none and mended where the project was moved.

    `MLFLOW_TRACKING_URI` is followed to a server (http or https) and to nothing else. Inside an
    experiment of DVC, which runs in a copy, the store is that of the project itself (`DVC_ROOT`).
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow import MlflowClient

    # MLflow tells at INFO of every step of making its tables; a stage's log is for the stage.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    if server.startswith(("http://", "https://")):
        return Store(MlflowClient(server), server, None)
    base = Path(os.environ.get("DVC_ROOT") or root).resolve()
    home = base / "mlruns"
    home.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{home / 'mlflow.db'}"
    # Two processes that make the tables at once break each other (measured: 5 of 6 die).
    with locked(home, "init"):
        _mend_locations(home)
        store = Store(MlflowClient(uri), uri, home)
        store.client.search_experiments(max_results=1)
        _link(base)
    return store


@contextmanager
def locked(home: Path | None, name: Literal["init", "sync"]) -> Iterator[None]:
    """One process of this machine at a time; a server keeps order itself."""
    if home is None:
        yield
        return
    with (home / f".{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _mend_locations(home: Path) -> None:
    """Bring the absolute paths in the database from the project's old place to this one.

    MLflow would write new artifacts to the old place, and show none of the old ones.
    """
    if not (home / "mlflow.db").exists():
        return
    with closing(sqlite3.connect(home / "mlflow.db", timeout=20)) as connection, connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE name = 'experiments'")
        if tables.fetchone() is None:
            return
        rows = connection.execute("SELECT name, artifact_location FROM experiments").fetchall()
        ends = ((location, f"/artifacts/{name}") for name, location in rows if location)
        homes = {location.removesuffix(end) for location, end in ends if location.endswith(end)}
        for old in homes - {str(home)}:
            log.warning("%s: the project was at %s; mending its paths", home, Path(old).parent)
            for table, column in LOCATIONS:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE substr({column}, 1, ?) = ?",
                    (f"{home}/", len(old) + 2, len(old) + 1, f"{old}/"),
                )


def _link(base: Path) -> None:
    """`mlflow.db` in the project, so that a plain `mlflow ui` shows its runs, not a new store."""
    link, target = base / "mlflow.db", Path("mlruns/mlflow.db")
    if link.is_symlink() and link.readlink() == target:
        return
    if link.is_symlink() or link.exists():
        log.warning("%s is not a link to %s: a plain 'mlflow ui' shows other runs", link, target)
    else:
        link.symlink_to(target)


def experiment_id(store: Store, name: str) -> str:
    """MLflow's number for an experiment, made where there is none."""
    found = store.client.get_experiment_by_name(name)
    if found is None:
        with locked(store.home, "init"):
            found = store.client.get_experiment_by_name(name)
            if found is None:
                where = None if store.home is None else f"{store.home}/artifacts/{name}"
                return store.client.create_experiment(name, where, tags=KIND)
    if found.lifecycle_stage == "deleted":
        store.client.restore_experiment(found.experiment_id)
    return found.experiment_id


def search(store: Store, chosen: str, *names: str, deleted: bool = False) -> list[StoredRun]:
    """The runs that fit `chosen`, of the named experiments or of all; with `deleted`, those too."""
    from mlflow.entities import ViewType

    every = store.client.search_experiments(view_type=ViewType.ALL)
    ids = [item.experiment_id for item in every if not names or item.name in names]
    view = ViewType.ALL if deleted else ViewType.ACTIVE_ONLY
    runs: list[StoredRun] = []
    token = None
    while ids:
        page = store.client.search_runs(ids, chosen, view, RUNS_AT_ONCE, page_token=token)
        runs += page
        token = page.token
        if not token:
            break
    return runs


def write(
    store: Store,
    run_id: str,
    *,
    points: Sequence[Point] = (),
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Add to a run; any number of each, MLflow splits them."""
    from mlflow.entities import Metric, Param, RunTag

    store.client.log_batch(
        run_id,
        metrics=[Metric(item.key, item.value, item.timestamp_ms, item.step) for item in points],
        params=[Param(*item) for item in (params or {}).items()],
        tags=[RunTag(*item) for item in (tags or {}).items()],
    )


def attach(store: Store, run_id: str, root: Path, artifacts: Sequence[str]) -> None:
    """Copy the files that exist to a run, below the deepest folder that they share."""
    if not artifacts:
        return
    shared = os.path.commonpath([str(PurePosixPath(path).parent) for path in artifacts])
    for path in artifacts:
        if not inside(root, path).is_file():
            log.info("%s does not exist: not attached to the run", path)
            continue
        folder = PurePosixPath(path).parent.relative_to(shared).as_posix()
        store.client.log_artifact(run_id, str(root / path), None if folder == "." else folder)


def close_stale(root: Path) -> int:
    """Mark KILLED what is RUNNING in the store but dead on this machine; how many there were."""
    store = open_store(root)
    chosen = f"attributes.status = 'RUNNING' and tags.host = '{socket.gethostname()}'"
    running = search(store, chosen)
    # A run without a key is one that `sync` is writing just now, or none of ours.
    ours = [run for run in running if "run_key" in run.data.tags]
    dead = [run for run in ours if is_dead(run.data.tags)]
    for run in dead:
        log.warning("run '%s' was killed: closing it", run.info.run_name)
        store.client.set_terminated(run.info.run_id, "KILLED", _last_sign(store, run))
    return len(dead)


def _last_sign(store: Store, run: StoredRun) -> int:
    """When the run last logged anything: its end, as far as anyone can know."""
    histories = (store.client.get_metric_history(run.info.run_id, key) for key in run.data.metrics)
    times = [item.timestamp for history in histories for item in history]
    return max(times, default=run.info.start_time)


# ---------------------------------------------------------------- a run under way


class Run:
    """A run under way: shown in MLflow as it goes, and remembered for its record."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self.points: list[Point] = []
        self.tags: dict[str, str] = {}

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log values of one step, such as an epoch.

        A name `train/loss` stands in the section `train` of the charts. What is longer than
        12 characters after the slash is cut off by the UI; digits are not: round percentages.
        """
        now = _now_ms()
        new = [Point(key=key, value=float(value), step=step, timestamp_ms=now)
               for key, value in values.items()]  # fmt: skip
        self.points += new
        write(self.store, self.run_id, points=new)

    def tag(self, name: str, value: str) -> None:
        """Add a tag, or change it."""
        self.tags[name] = value
        write(self.store, self.run_id, tags={name: value})


@contextmanager
def track(
    root: Path,
    *,
    experiment: str,
    name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    record: Path,
    artifacts: Sequence[Path] = (),
) -> Iterator[Run]:
    """Show the work inside the `with` as one run, and leave its record.

    The run ends FINISHED; KILLED on Ctrl-C or SystemExit, FAILED on any other error, which then
    goes on its way. Only a finished run leaves a record.

    Args:
        root: The repository.
        experiment: MLflow experiment, such as `TRAIN`.
        name: As shown in the list of runs.
        params: Nested ones become `outer.inner`.
        tags: Beside those of `origin`.
        record: `runs/<stage>.json` to write at the end.
        artifacts: Files under `root`, attached at the end where they exist then.

    Raises:
        ValueError: An artifact lies outside `root`.
    """
    close_stale(root)
    store = open_store(root)
    opened = new_record(
        root, experiment=experiment, name=name, start_ms=_now_ms(), end_ms=0,
        params=params, tags=tags, artifacts=artifacts,
    )  # fmt: skip
    run_id = create(store, opened, {"run_key": opened.run_key})
    run = Run(store, run_id)
    try:
        write(store, run_id, params=opened.params)
        with _sampling(store, run_id):
            yield run
        attach(store, run_id, root, opened.artifacts)
        _finish(run, opened, record)
    except BaseException as error:
        by_request = isinstance(error, KeyboardInterrupt | SystemExit)
        _give_up(store, run_id, "KILLED" if by_request else "FAILED")
        raise


def create(store: Store, record: RunRecord, tags: Mapping[str, str]) -> str:
    """A new run in the store, RUNNING and without metrics yet; its id."""
    return store.client.create_run(
        experiment_id(store, record.experiment),
        start_time=record.start_ms,
        tags={**record.tags, **tags},
        run_name=record.name,
    ).info.run_id


def _finish(run: Run, opened: RunRecord, path: Path) -> None:
    """Write the record, then end the run: a record that cannot be written fails the run."""
    end_ms = _now_ms()
    done = opened.model_copy(update={
        "end_ms": end_ms,
        "tags": {**opened.tags, **run.tags},
        "metrics": (*run.points, *_system_points(run.store, run.run_id)),
    })  # fmt: skip
    write_records(path, [done])
    run.store.client.set_terminated(run.run_id, "FINISHED", end_ms)


def _give_up(store: Store, run_id: str, status: Literal["KILLED", "FAILED"]) -> None:
    from mlflow.exceptions import MlflowException

    try:
        store.client.set_terminated(run_id, status)
    except MlflowException:
        # The error that ended the run is the one to be seen; `close_stale` mends this later.
        log.exception("could not mark the run %s", status)


@contextmanager
def _sampling(store: Store, run_id: str) -> Iterator[None]:
    """Log the load of the machine meanwhile."""
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(run_id, SAMPLING_SECONDS, tracking_uri=store.uri)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()


def _system_points(store: Store, run_id: str) -> list[Point]:
    """The load of the machine, read back: MLflow samples it, and a restored run shows it too."""
    keys = [key for key in store.client.get_run(run_id).data.metrics if key.startswith(SYSTEM)]
    return [
        Point(key=item.key, value=item.value, step=item.step, timestamp_ms=item.timestamp)
        for key in sorted(keys)
        for item in store.client.get_metric_history(run_id, key)
    ]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
