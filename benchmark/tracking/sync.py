"""Bringing MLflow up to what DVC has, and showing it.

After `sync` every run of `runs/*.json` is in the store, once.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from benchmark.core.errors import BenchmarkError, FormatError
from benchmark.tracking import store as tracking
from benchmark.tracking import ui as saved_views
from benchmark.tracking.records import read_records

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmark.tracking.records import RunRecord, Table
    from benchmark.tracking.store import Store, StoredRun

log = logging.getLogger(__name__)

RUNS = "runs"
RESTORING = "restoring"
"""Tag of a run that is being written: one that keeps it was broken off, and is thrown away."""
TABLE_FILE = "results_table.json"
MODELS = "models/"
LINKED = "dvc.model"
"""Tag of a run whose model is shown: DVC's hash of it."""
MODEL_PARAMS = ("edition", "modality", "backbone.kind", "start", "recipe.name")


class SyncReport(NamedTuple):
    """What `sync` did."""

    created: int
    """Runs that were missing in the store."""
    present: int
    """Runs that were there already."""
    closed: int
    """Runs whose process had died."""


class Known(NamedTuple):
    """A run of the store."""

    run_id: str
    tags: Mapping[str, str]
    active: bool = True
    """False for one that was deleted in the UI: it takes no more tags."""


def sync(root: Path, *, lock: Path) -> SyncReport:
    """Create the recorded runs that the store lacks, close dead ones, note the hashes of DVC.

    Args:
        root: The repository, with `runs/*.json`.
        lock: `dvc.lock`; before the first `dvc repro` there is none.

    Raises:
        FormatError: A record or the lock file is damaged.
    """
    files = {path: read_records(path) for path in sorted((root / RUNS).glob("*.json"))}
    outputs = dict(_outputs(root, lock))
    closed = tracking.close_stale(root)
    store = tracking.open_store(root)
    with tracking.locked(store.home, "sync"):
        known = _known(store)
        created = 0
        for path, records in files.items():
            created += _fill(store, root, records, known, {"restored": "true"})
            for record in records:
                run, made = known[record.run_key], outputs.get(path, {})
                if run.active:
                    _tag(store, run, made)
                    _link_models(store, run, record, made)
    save_views(root)
    present = sum(len(records) for records in files.values()) - created
    return SyncReport(created, present, closed)


def log_records(root: Path, records: Sequence[RunRecord]) -> int:
    """Show complete runs, parents before children; how many were not in the store yet."""
    store = tracking.open_store(root)
    with tracking.locked(store.home, "sync"):
        created = _fill(store, root, records, _known(store), {})
    save_views(root)
    return created


def _known(store: Store) -> dict[str, Known]:
    """The runs of the store by run_key; also those deleted in the UI, which stay deleted."""
    known: dict[str, Known] = {}
    for run in tracking.search(store, "", deleted=True):
        tags = run.data.tags
        if "run_key" in tags:
            active = run.info.lifecycle_stage == "active"
            known[tags["run_key"]] = Known(run.info.run_id, tags, active)
        elif RESTORING in tags and run.info.lifecycle_stage == "active" and store.home:
            # We hold the lock, so nobody is writing it; on a server somebody may be.
            log.warning("run '%s' was written in part only: writing it anew", run.info.run_name)
            store.client.delete_run(run.info.run_id)
    return known


def _fill(
    store: Store,
    root: Path,
    records: Sequence[RunRecord],
    known: dict[str, Known],
    extra: Mapping[str, str],
) -> int:
    """Create the runs that are not `known` and add them there; how many."""
    missing = [record for record in records if record.run_key not in known]
    for record in missing:
        parent = known[record.parent_key].run_id if record.parent_key else None
        under = {"mlflow.parentRunId": parent} if parent else {}
        known[record.run_key] = _restore(store, root, record, {**extra, **under})
        log.info("run '%s' is now shown in %s", record.name, record.experiment)
    return len(missing)


def _restore(store: Store, root: Path, record: RunRecord, extra: Mapping[str, str]) -> Known:
    run_id = tracking.create(store, record, {**extra, RESTORING: record.run_key})
    tracking.write(store, run_id, points=record.metrics, params=record.params)
    tracking.attach(store, run_id, root, record.artifacts)
    if record.table is not None:
        _log_table(store, run_id, record.table)
    store.client.set_terminated(run_id, record.status, record.end_ms)
    # The key comes last, so that a run which has one is whole.
    tracking.write(store, run_id, tags={"run_key": record.run_key})
    store.client.delete_tag(run_id, RESTORING)
    return Known(run_id, {})


def _log_table(store: Store, run_id: str, table: Table) -> None:
    """What `mlflow.log_table` writes, without pandas: the UI then offers 'View as table'."""
    content = {"columns": table.columns, "data": table.rows}
    store.client.log_dict(run_id, content, TABLE_FILE)
    shown = f'[{{"path": "{TABLE_FILE}", "type": "table"}}]'
    tracking.write(store, run_id, tags={"mlflow.loggedArtifacts": shown})


def _tag(store: Store, run: Known, tags: Mapping[str, str]) -> None:
    new = {key: value for key, value in tags.items() if run.tags.get(key) != value}
    if new:
        tracking.write(store, run.run_id, tags=new)


def _link_models(store: Store, run: Known, record: RunRecord, made: Mapping[str, str]) -> None:
    """Show the models of a run under Models, as a name and DVC's hash: DVC keeps the weights."""
    for tag, md5 in made.items():
        path = tag.removeprefix("dvc.out.")
        if not path.startswith(MODELS) or run.tags.get(LINKED) == md5:
            continue
        model = store.client.create_logged_model(
            tracking.experiment_id(store, record.experiment),
            name=path.removeprefix(MODELS),
            source_run_id=run.run_id,
            tags={"dvc.path": path, "dvc.md5": md5, "get": f"dvc pull {path}"},
            params={key: record.params[key] for key in MODEL_PARAMS if key in record.params},
            model_type="recognizer",
        )
        store.client.finalize_logged_model(model.model_id, "READY")
        tracking.write(store, run.run_id, tags={LINKED: md5})


def _outputs(root: Path, lock: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """For each file of records, the hashes of all outputs of its stage.

    A file that differs from what the lock says belongs to a stage that runs now, or was
    interrupted: the lock knows nothing of its runs yet.
    """
    for stage in _stages(lock):
        outs = {out["path"]: out["md5"] for out in stage.get("outs", ()) if "md5" in out}
        for name, md5 in outs.items():
            path = root / name
            if path.parent != root / RUNS or not path.is_file():
                continue
            if hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == md5:
                yield path, {f"dvc.out.{_tag_name(out)}": value for out, value in outs.items()}


def _stages(lock: Path) -> list[dict[str, Any]]:
    try:
        return list(YAML(typ="safe").load(lock.read_text("utf-8"))["stages"].values())
    except FileNotFoundError:
        return []
    except (YAMLError, KeyError, TypeError, AttributeError) as error:
        do = "Get it back with 'git checkout dvc.lock'"
        raise FormatError(lock, f"not a lock file of DVC: {error}", do=do) from None


def _tag_name(path: str) -> str:
    """A path with what MLflow refuses in a tag's name (such as `@`) replaced."""
    return re.sub(r"[^\w./ -]", "_", path)


# ---------------------------------------------------------------- the UI


def save_views(root: Path) -> None:
    """Give the UI its tables: the latest results table, and all trainings."""
    store = tracking.open_store(root)
    tables = tracking.search(store, "tags.kind = 'table'", tracking.TABLE)
    if tables:
        latest = max(tables, key=lambda run: run.info.start_time).info.run_id
        rows = tracking.search(store, f"tags.mlflow.parentRunId = '{latest}'", tracking.TABLE)
        view = saved_views.table_view(latest, *_names(rows))
        _save_view(store, tracking.TABLE, saved_views.TABLE_VIEW, view)
    trainings = tracking.search(store, "", tracking.TRAIN)
    if trainings:
        view = saved_views.runs_view(*_names(trainings))
        _save_view(store, tracking.TRAIN, saved_views.RUNS_VIEW, view)


def _names(runs: Sequence[StoredRun]) -> tuple[set[str], set[str]]:
    """Names of the params and of the metrics that any of the runs has."""
    return {key for run in runs for key in run.data.params}, {
        key for run in runs for key in run.data.metrics
    }


def _save_view(store: Store, experiment: str, name: str, view: str) -> None:
    number, tag = tracking.experiment_id(store, experiment), saved_views.TAG + name
    if store.client.get_experiment(number).tags.get(tag) != view:
        store.client.set_experiment_tag(number, tag, view)


def ui_url(root: Path, port: int, experiment: str = tracking.TABLE) -> str:
    """Where the UI of `serve` shows the results table, or the runs of another experiment."""
    view = saved_views.TABLE_VIEW if experiment == tracking.TABLE else saved_views.RUNS_VIEW
    number = tracking.experiment_id(tracking.open_store(root), experiment)
    # Without `workflowType` the UI opens as one for generative AI, where runs are hard to find.
    query = f"viewStateShareKey={view}&workflowType=machine_learning"
    return f"http://127.0.0.1:{port}/#/experiments/{number}/runs?{query}"


def serve(root: Path, port: int) -> NoReturn:
    """Become `mlflow ui`, for this machine only: one worker, no jobs (0.5 GB instead of 2.1 GB).

    Raises:
        BenchmarkError: The runs are on a server, which has its own UI.
    """
    store = tracking.open_store(root)
    if store.home is None:
        raise BenchmarkError("MLFLOW_TRACKING_URI", "names a server", do=f"Open {store.uri}")
    environment = {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", store.uri]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    os.execve(sys.executable, command, environment)
