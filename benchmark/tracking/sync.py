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
from pathlib import Path
from typing import NamedTuple

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
        shown = _shown_runs(store)
        created = deleted = 0
        for path, records in files.items():
            created += _create_missing(store, root, records, shown, {"restored": "true"})
            for record in records:
                run, outputs = shown.get(record.run_key), hashes.get(path, {})
                if run is None:  # another machine writes it
                    continue
                deleted += not run.active
                if run.active:
                    _tag(store, run, outputs)
                    _link_models(store, root, run, record, outputs)
    present = sum(len(records) for records in files.values()) - created
    return SyncReport(created, present, closed, deleted)


def log_records(store: Store, root: Path, records: Sequence[RunRecord]) -> int:
    """Show complete runs, parents before children; return how many the store lacked."""
    with locked(store.home, "sync"):
        return _create_missing(store, root, records, _shown_runs(store), {})


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


def _create_missing(
    store: Store,
    root: Path,
    records: Sequence[RunRecord],
    shown: dict[str, ShownRun],
    tags: Mapping[str, str],
) -> int:
    """Create the recorded runs that the store lacks, complete those it has in part; count both.

    Args:
        store: Where to create them.
        root: The repository, which holds their artifacts.
        records: Records, parents before children.
        shown: Runs of the store by run_key; the created ones are added.
        tags: Tags to add to those of each record.
    """
    written = 0
    for record in records:
        run = shown.get(record.run_key)
        if run is None:
            extra = {**tags, RESTORING: _writing(record)}
            # MLflow knows a parent by its own run id, which differs from store to store.
            if record.parent_key and record.parent_key not in shown:
                continue  # another machine writes the parent, and this one after it
            if record.parent_key:
                extra["mlflow.parentRunId"] = shown[record.parent_key].run_id
            run_id = _create_alone(store, record, extra)
            if run_id is None:
                continue
            run = ShownRun(run_id, {}, "RUNNING")
        # A run that has a record has finished: the store failed before it saw the end.
        elif not run.active or run.status == record.status:
            continue
        _fill(store, root, record, run.run_id)
        shown[record.run_key] = run
        written += 1
        log.info("run '%s' is now shown in %s", record.name, record.experiment)
    return written


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
    import psutil  # not at the top: leftovers are rare

    if tag.count(" ") != 3:
        return False  # of an earlier version of ours, which did not say who
    _, host, process, since = tag.split(" ")
    if host == platform.node():
        return not psutil.pid_exists(int(process))
    return time.time() - float(since) > SYNC_SECONDS


def _fill(store: Store, root: Path, record: RunRecord, run_id: str) -> None:
    tags = {**record.tags, RESTORING: _writing(record)}
    write(store, run_id, points=record.metrics, params=record.params, tags=tags)
    attach(store, run_id, root, record.artifacts)
    if record.table is not None:
        attach_table(store, run_id, record.table)
    store.client.set_terminated(run_id, record.status, record.end_ms)
    # The key comes last, so a run that has one is complete, or was shown while it ran.
    write(store, run_id, tags={"run_key": record.run_key})
    store.client.delete_tag(run_id, RESTORING)


def _tag(store: Store, run: ShownRun, tags: Mapping[str, str]) -> None:
    new = {key: value for key, value in tags.items() if run.tags.get(key) != value}
    if new:
        write(store, run.run_id, tags=new)


def _link_models(
    store: Store, root: Path, run: ShownRun, record: RunRecord, outputs: Mapping[str, str]
) -> None:
    """Show the models of a run under Models: its scores, and its folder, which DVC keeps as well.

    Of a large model, only what describes it is copied. Neither JSON nor safetensors can run code.

    Args:
        store: Where to show them.
        root: The repository, which holds their folders.
        run: The run that trained them.
        record: Its record.
        outputs: Tags of `_hashes`.
    """
    for tag, md5 in outputs.items():
        path = tag.removeprefix("dvc.out.")
        if not path.startswith(MODELS) or run.tags.get(LINKED) == md5:
            continue
        model = store.client.create_logged_model(
            experiment_id(store, record.experiment),
            name=path.removeprefix(MODELS),
            source_run_id=run.run_id,
            tags={NOTE: _about(record, path), "dvc.path": path, "dvc.md5": md5},
            params={key: record.params[key] for key in MODEL_PARAMS if key in record.params},
            model_type="recognizer",
        )
        files = sorted(file for file in (root / path).glob("*") if file.is_file())
        small = sum(file.stat().st_size for file in files) <= MODEL_BYTES
        for file in files:
            if small or file.suffix == ".json":
                store.client.log_model_artifact(model.model_id, str(file))
        points = [point for point in record.metrics if point.key in MODEL_SCORES]
        write(store, run.run_id, points=points, model=model.model_id)
        store.client.finalize_logged_model(model.model_id, "READY")
        write(store, run.run_id, tags={LINKED: md5})


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
                yield path, {f"dvc.out.{_tag_name(out)}": value for out, value in outs.items()}


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


def _tag_name(path: str) -> str:
    """Replace what MLflow refuses in the name of a tag, such as `@`."""
    return re.sub(r"[^\w./ -]", "_", path)
