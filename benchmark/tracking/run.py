"""A run under way: MLflow shows it as it goes; it leaves a record, or is closed if it died."""

from __future__ import annotations

import logging
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmark.tracking.records import Point, is_dead, new_record, now_ms, write_records
from benchmark.tracking.store import (
    attach,
    create,
    give_up,
    open_store,
    read_samples,
    sampling,
    search,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmark.tracking.records import RunRecord
    from benchmark.tracking.store import Store, StoredRun

log = logging.getLogger(__name__)


class Run:
    """A run under way. It sends each value to MLflow at once and keeps it for the record."""

    # MLflow's autologging is off: it knows no Fabric loop, it would log under names and steps of
    # its own, and the record would lack what it logs.

    def __init__(self, store: Store, run_id: str) -> None:
        self.store = store
        self.run_id = run_id
        self.points: list[Point] = []
        self.tags: dict[str, str] = {}

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log the values of one step, such as an epoch.

        The UI puts `train/loss` into the section `train` of its charts. It cuts a name after 12
        characters, not counting the section, and prints every digit: round percentages.
        """
        now = now_ms()
        new = [Point(key=key, value=float(value), step=step, timestamp_ms=now)
               for key, value in values.items()]  # fmt: skip
        self.points += new
        write(self.store, self.run_id, points=new)

    def tag(self, name: str, value: str) -> None:
        """Set a tag."""
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
    """Show the work inside the `with` as one MLflow run and write its record.

    The run ends FINISHED, or KILLED on Ctrl-C and SystemExit, or FAILED on any other error, which
    `track` raises again. Only a finished run leaves a record.

    Args:
        root: The repository.
        experiment: Name of the MLflow experiment, such as `mmgesture/train`.
        name: Name in the UI's list of runs.
        params: Parameters; nested ones become `outer.inner`.
        tags: Tags to add to those of `origin`.
        record: `runs/<stage>.json`, written at the end.
        artifacts: Files under `root`; at the end, those that exist are attached.

    Raises:
        ValueError: An artifact lies outside `root`.
    """
    close_stale(root)
    store = open_store(root)
    opened = new_record(
        root, experiment=experiment, name=name, start_ms=now_ms(), end_ms=0,
        params=params, tags=tags, artifacts=artifacts,
    )  # fmt: skip
    # The run has its key from the start: that is how `close_stale` knows a killed run as ours.
    run_id = create(store, opened, {"run_key": opened.run_key})
    run = Run(store, run_id)
    try:
        write(store, run_id, params=opened.params)
        with sampling(store, run_id):
            yield run
        attach(store, run_id, root, opened.artifacts)
        _finish(run, opened, record)
    except BaseException as error:
        # SIGTERM reaches a stage as SystemExit; MLflow itself would call both FAILED.
        asked_to_stop = isinstance(error, KeyboardInterrupt | SystemExit)
        give_up(store, run_id, "KILLED" if asked_to_stop else "FAILED")
        raise


def _finish(run: Run, opened: RunRecord, path: Path) -> None:
    """Write the record, then end the run: a record that cannot be written fails the run."""
    end_ms = now_ms()
    done = opened.model_copy(update={
        "end_ms": end_ms,
        "tags": {**opened.tags, **run.tags},
        "metrics": (*run.points, *read_samples(run.store, run.run_id)),
    })  # fmt: skip
    write_records(path, [done])
    run.store.client.set_terminated(run.run_id, "FINISHED", end_ms)


def close_stale(root: Path) -> int:
    """Mark every run KILLED that is RUNNING in the store but dead on this machine; count them.

    No handler runs on SIGKILL or a power cut, and MLflow shows such a run as RUNNING forever.
    """
    store = open_store(root)
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
