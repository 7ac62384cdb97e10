"""Synchronization: after `sync`, MLflow shows every run that `runs/*.json` records, once."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil
from pydantic import BaseModel

from benchmark.core.errors import BenchmarkError, FormatError
from benchmark.core.schema import read_yaml
from benchmark.tracking.database import locked
from benchmark.tracking.records import RunRecord, read_records, write_records
from benchmark.tracking.run import Window, close_stale
from benchmark.tracking.store import (
    NOTE,
    Store,
    attach,
    attach_table,
    create,
    experiment_id,
    open_store,
    search,
    write,
)

log = logging.getLogger(__name__)

RUNS = "runs"
RESTORING = "restoring"
"""Tag of a run that is being written: its key, and who writes it since when. A run that keeps
it was interrupted and is thrown away."""
MODELS = "models/"
LINKED = "dvc.model"
"""Tag of a run whose model the UI shows: DVC's hash of that model."""
SYNC_SECONDS = 600
"""How long a sync waits for another one, which may be filling an empty store."""
WAIT_SECONDS = 2.0
MODEL_BYTES = 16 * 2**20
"""Largest folder of a model that is copied to the store as a whole."""
MODEL_SCORES = ("top1", "top5", "macro_f1", "mean_acc")
MODEL_PARAMS = ("edition", "modality.kind", "backbone.kind", "init_from", "recipe.name")
"""Parameters of the run that the UI shows beside its model."""


class SyncReport(NamedTuple):
    """What `sync` did."""

    created: int
    """Runs that the store lacked, as a whole or in part."""
    present: int
    """Runs that the store had already."""
    closed: int
    """Runs whose process had died."""
    deleted: int = 0
    """Of those present, runs that somebody deleted in the UI."""


class ShownRun(NamedTuple):
    """A run of the store."""

    run_id: str
    tags: Mapping[str, str]
    status: str
    active: bool = True
    """False for a run that somebody deleted in the UI: MLflow refuses to tag it."""


def sync(root: Path, *, lock: Path) -> SyncReport:
    """Create the recorded runs that the store lacks, close dead ones, add the hashes of DVC.

    `lock` is `dvc.lock`; before the first `dvc repro` there is none.

    Raises:
        FormatError: A record or the lock file is damaged.
        StoreError: The store fails.
    """
    # Read everything first: a damaged file stops the sync before it has changed anything.
    files = {path: read_records(path) for path in sorted((root / RUNS).glob("*.json"))}
    hashes = dict(_hashes(root, lock))
    store = open_store(root)
    closed = close_stale(store)
    # Two syncs at the same time would both find a run missing, and create it twice.
    with locked(store.home, "sync", SYNC_SECONDS):
        writer = _Writer(store, root, _shown_runs(store))
        created = deleted = 0
        for path, records in files.items():
            created += writer.create_missing(records, {"restored": "true"})
            for record in records:
                run, outputs = writer.shown.get(record.run_key), hashes.get(path, {})
                if run is None:  # another machine writes it
                    continue
                deleted += not run.active
                if run.active:
                    if new := {k: v for k, v in outputs.items() if run.tags.get(k) != v}:
                        write(store, run.run_id, tags=new)
                    writer.link_models(run, record, outputs)
    present = sum(len(records) for records in files.values()) - created
    return SyncReport(created, present, closed, deleted)


def log_records(store: Store, root: Path, records: Sequence[RunRecord]) -> int:
    """Show complete runs, parents before children; return how many the store lacked."""
    with locked(store.home, "sync"):
        return _Writer(store, root, _shown_runs(store)).create_missing(records, {})


def show_and_record(root: Path, record: Path, runs: Sequence[RunRecord]) -> None:
    """Write the record of complete runs, `runs/<stage>.json`, and show them; parents first."""
    write_records(record, runs)
    Window(root).show(lambda store: log_records(store, root, runs))


def _shown_runs(store: Store) -> dict[str, ShownRun]:
    """Return the runs of the store by run_key, with those deleted in the UI: they stay deleted."""
    shown: dict[str, ShownRun] = {}
    for run in search(store, "", deleted=True):
        tags = run.data.tags
        active = run.info.lifecycle_stage == "active"
        if "run_key" in tags:
            shown[tags["run_key"]] = ShownRun(run.info.run_id, tags, run.info.status, active)
        elif RESTORING in tags and active and (store.home or _is_left(tags[RESTORING])):
            # We hold the lock of a store of our own, so no other process is writing to it.
            log.warning("run '%s' is incomplete: writing it again", run.info.run_name)
            store.client.delete_run(run.info.run_id)
    return shown


@dataclass(frozen=True)
class _Writer:
    """Writes records to a store, with the artifacts that lie in the repository `root`."""

    store: Store
    root: Path
    shown: dict[str, ShownRun]
    """Runs of the store by run_key; what the writer creates is added."""

    def create_missing(self, records: Sequence[RunRecord], tags: Mapping[str, str]) -> int:
        """Create the recorded runs that the store lacks, complete those it has in part; count both.

        The records hold parents before children; `tags` are added to those of each.
        """
        written = 0
        for record in records:
            run = self.shown.get(record.run_key)
            if run is None:
                extra = {**tags, RESTORING: _writing(record)}
                # MLflow knows a parent by its own run id, which differs from store to store.
                if record.parent_key and record.parent_key not in self.shown:
                    continue  # another machine writes the parent, and this one after it
                if record.parent_key:
                    extra["mlflow.parentRunId"] = self.shown[record.parent_key].run_id
                run_id = _create_alone(self.store, record, extra)
                if run_id is None:
                    continue
                run = ShownRun(run_id, {}, "RUNNING")
            # A run that has a record has finished: the store failed before it saw the end.
            elif not run.active or run.status == record.status:
                continue
            self._fill(record, run.run_id)
            self.shown[record.run_key] = run
            written += 1
            log.info("run '%s' is now shown in %s", record.name, record.experiment)
        return written

    def _fill(self, record: RunRecord, run_id: str) -> None:
        tags = {**record.tags, RESTORING: _writing(record)}
        write(self.store, run_id, points=record.metrics, params=record.params, tags=tags)
        attach(self.store, run_id, self.root, record.artifacts)
        if record.table is not None:
            attach_table(self.store, run_id, record.table)
        self.store.client.set_terminated(run_id, record.status, record.end_ms)
        # The key comes last, so a run that has one is complete, or was shown while it ran.
        write(self.store, run_id, tags={"run_key": record.run_key})
        self.store.client.delete_tag(run_id, RESTORING)

    def link_models(self, run: ShownRun, record: RunRecord, outputs: Mapping[str, str]) -> None:
        """Show the models of a run under Models: its scores, and its folder, which DVC keeps too.

        Of a large model, only what describes it is copied. Neither JSON nor safetensors can run
        code. `outputs` are tags of `_hashes`.
        """
        for tag, md5 in outputs.items():
            path = tag.removeprefix("dvc.out.")
            if not path.startswith(MODELS) or run.tags.get(LINKED) == md5:
                continue
            model = self.store.client.create_logged_model(
                experiment_id(self.store, record.experiment),
                name=path.removeprefix(MODELS),
                source_run_id=run.run_id,
                tags={NOTE: _about(record, path), "dvc.path": path, "dvc.md5": md5},
                params={key: record.params[key] for key in MODEL_PARAMS if key in record.params},
                model_type="recognizer",
            )
            files = sorted(file for file in (self.root / path).glob("*") if file.is_file())
            small = sum(file.stat().st_size for file in files) <= MODEL_BYTES
            for file in files:
                if small or file.suffix == ".json":
                    self.store.client.log_model_artifact(model.model_id, str(file))
            points = [point for point in record.metrics if point.key in MODEL_SCORES]
            write(self.store, run.run_id, points=points, model=model.model_id)
            self.store.client.finalize_logged_model(model.model_id, "READY")
            write(self.store, run.run_id, tags={LINKED: md5})


def _create_alone(store: Store, record: RunRecord, tags: Mapping[str, str]) -> str | None:
    """Create a run; None if another machine does the same on the server.

    A server has no lock. But of two that create the same run and then look, at least the later one
    sees the other, and takes its own back. If both do, chance decides who tries again first.
    """
    while True:
        run_id = create(store, record, tags)
        if store.home or not _others(store, record, run_id):
            return run_id
        store.client.delete_run(run_id)
        time.sleep(random.uniform(0, WAIT_SECONDS))
        if _others(store, record, run_id):
            return None


def _others(store: Store, record: RunRecord, own: str) -> bool:
    """Tell whether a run of the same record is on the server beside our own."""
    key = record.run_key
    for run in search(store, "", record.experiment):
        tags = run.data.tags
        same = tags.get("run_key") == key or tags.get(RESTORING, "").split(" ")[0] == key
        if same and run.info.run_id != own:
            return True
    return False


def _writing(record: RunRecord) -> str:
    return f"{record.run_key} {platform.node()} {os.getpid()} {time.time():.0f}"


def _is_left(tag: str) -> bool:
    """Tell whether the writer of a run on a server is gone: a dead process, or one of long ago."""
    if tag.count(" ") != 3:
        return False  # of an earlier version of ours, which did not say who
    _, host, process, since = tag.split(" ")
    if host == platform.node():
        return not psutil.pid_exists(int(process))
    return time.time() - float(since) > SYNC_SECONDS


def _about(record: RunRecord, path: str) -> str:
    """Describe a model in Markdown: what it is, and how to get and use it."""
    told = record.tags.get(NOTE, "")
    return (
        f"{told}\n\nScores are of the validation split. Get its folder with `dvc pull {path}`;"
        f" `mgbench predict VIDEO --with {path.removeprefix(MODELS)}` uses it."
    )


def _hashes(root: Path, lock: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield each file of records with the hashes of all outputs of its stage, as tags.

    A file whose hash is not the one in the lock belongs to a stage that is running or was
    interrupted: the lock does not know its runs yet.
    """
    for stage in _stages(lock):
        outs = {out.path: out.md5 for out in stage.outs if out.md5 is not None}
        for name, md5 in outs.items():
            path = root / name
            if path.parent != root / RUNS or not path.is_file():
                continue
            if hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == md5:
                # MLflow refuses signs such as `@` in the name of a tag.
                names = {out: re.sub(r"[^\w./ -]", "_", out) for out in outs}
                yield path, {f"dvc.out.{names[out]}": value for out, value in outs.items()}


class _Out(BaseModel):
    path: str
    md5: str | None = None


class _Stage(BaseModel):
    outs: tuple[_Out, ...] = ()


class _Lock(BaseModel):
    stages: dict[str, _Stage]


def _stages(lock: Path) -> list[_Stage]:
    if not lock.is_file():
        return []
    try:
        return list(read_yaml(lock, _Lock).stages.values())
    except BenchmarkError as error:
        do = "Get it back with 'git checkout dvc.lock'"
        raise FormatError(lock, f"not a lock file of DVC: {error}", do=do) from None
