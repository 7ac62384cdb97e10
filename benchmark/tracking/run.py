"""A run under way: MLflow shows it as it goes; it leaves a record, or is closed if it died."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmark.tracking.database import StoreError
from benchmark.tracking.records import (
    Point,
    RunRecord,
    Status,
    is_dead,
    new_record,
    now_ms,
    write_records,
)
from benchmark.tracking.store import attach, create, open_store, sampling, search, write

if TYPE_CHECKING:
    from benchmark.tracking.store import Store, StoredRun

log = logging.getLogger(__name__)
T = TypeVar("T")


class Window:
    """The store of a project, for work that must not fail with it.

    The first failure is one warning. After it the window stays shut, and `sync` shows the runs
    later, from their records.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._store: Store | None = None
        self._shut = False
        # A thread samples the load of the machine beside the work.
        self._one_at_a_time = threading.RLock()

    def show(self, action: Callable[[Store], T]) -> T | None:
        """Return `action(store)`, or None where the store fails or failed before."""
        with self._one_at_a_time:
            if self._shut:
                return None
            try:
                self._store = self._store or open_store(self._root)
                return action(self._store)
            except StoreError as error:
                self._shut = True
                log.warning("%s. This run goes on; 'mgbench sync' shows it afterwards", error)
                return None


class Run:
    """A run under way. It keeps each value for the record, and shows it in MLflow at once."""

    # MLflow's autologging is off: it knows no Fabric loop, it would log under names and steps of
    # its own, and the record would lack what it logs.

    def __init__(self, root: Path, opened: RunRecord) -> None:
        self.opened = opened
        self.points: list[Point] = []
        self.tags: dict[str, str] = {}
        self._window = Window(root)
        self._window.show(close_stale)
        # The run has its key from the start: that is how `close_stale` knows a killed run as ours.
        key = {"run_key": opened.run_key}
        self._run_id = self._window.show(lambda store: create(store, opened, key)) or ""
        self.show(lambda store, run_id: write(store, run_id, params=opened.params))

    def show(self, action: Callable[[Store, str], object]) -> None:
        """Call `action` with the store and MLflow's id of this run, while the store answers."""
        self._window.show(lambda store: action(store, self._run_id))

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log the values of one step, such as an epoch.

        The UI puts `train/loss` into the section `train` of its charts. It cuts a name after 12
        characters, not counting the section, and prints every digit: round percentages.
        """
        now = now_ms()
        new = [Point(key=key, value=float(value), step=step, timestamp_ms=now)
               for key, value in values.items()]  # fmt: skip
        self.points += new
        self.show(lambda store, run_id: write(store, run_id, points=new))

    def tag(self, name: str, value: str) -> None:
        self.tags[name] = value
        self.show(lambda store, run_id: write(store, run_id, tags={name: value}))

    def end(self, status: Status, end_ms: int | None = None) -> None:
        """Mark the run as ended, by default now."""
        self.show(lambda store, run_id: store.client.set_terminated(run_id, status, end_ms))


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
    """Show the work inside the `with` as one MLflow run and write its record.

    The run ends FINISHED, or KILLED on Ctrl-C and SystemExit, or FAILED on any other error, which
    `track` raises again. Only a finished run leaves a record. A store that fails stops nothing.

    Args:
        root: The repository.
        experiment: Name of the MLflow experiment, such as `mmgesture/train`.
        name: Name in the UI's list of runs.
        params: Parameters; nested ones become `outer.inner`.
        tags: Tags to add to those of `origin`.
        record: `runs/<stage>.json`, written at the end.
        artifacts: Files under `root`; at the end, those that exist are attached.

    Raises:
        BenchmarkError: An artifact lies outside `root`.
    """
    opened = new_record(
        root, experiment=experiment, name=name, start_ms=now_ms(), end_ms=0,
        params=params, tags=tags, artifacts=artifacts,
    )  # fmt: skip
    run = Run(root, opened)
    try:
        with sampling(run.metrics):
            yield run
        run.show(lambda store, run_id: attach(store, run_id, root, opened.artifacts))
        # The record first: a run whose record cannot be written has failed.
        end_ms = now_ms()
        done = {"end_ms": end_ms, "tags": opened.tags | run.tags, "metrics": tuple(run.points)}
        write_records(record, [opened.model_copy(update=done)])
        run.end("FINISHED", end_ms)
    except BaseException as error:
        # SIGTERM reaches a stage as SystemExit; MLflow itself would call both FAILED.
        asked_to_stop = isinstance(error, KeyboardInterrupt | SystemExit)
        run.end("KILLED" if asked_to_stop else "FAILED")
        raise


def close_stale(store: Store) -> int:
    """Mark every run KILLED that is RUNNING in the store but dead on this machine; count them.

    No handler runs on SIGKILL or a power cut, and MLflow shows such a run as RUNNING forever.
    """
    query = f"attributes.status = 'RUNNING' and tags.host = '{socket.gethostname()}'"
    # A run without a key is one that `sync` is writing right now, or one logged by hand.
    ours = [run for run in search(store, query) if "run_key" in run.data.tags]
    dead = [run for run in ours if is_dead(run.data.tags)]
    for run in dead:
        log.warning("run '%s' was killed: closing it", run.info.run_name)
        store.client.set_terminated(run.info.run_id, "KILLED", _last_sign(store, run))
    return len(dead)


def _last_sign(store: Store, run: StoredRun) -> int:
    """Return when the run last logged anything: the best guess at its end."""
    histories = (store.client.get_metric_history(run.info.run_id, key) for key in run.data.metrics)
    times = [item.timestamp for history in histories for item in history]
    return max(times, default=run.info.start_time)
