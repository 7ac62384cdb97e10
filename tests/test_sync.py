"""MLflow can be lost: every recorded run comes back, once and whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from benchmark.core.errors import FormatError
from benchmark.tracking import store as tracking
from benchmark.tracking.records import Table, new_record, read_records, write_records
from benchmark.tracking.run import track
from benchmark.tracking.sync import (
    MODEL_BYTES,
    RESTORING,
    SyncReport,
    log_records,
    show_and_record,
    sync,
)
from benchmark.tracking.ui import ui_links
from conftest import REPO

pytestmark = pytest.mark.slow

SYNC = """
import sys
from pathlib import Path
from urllib.parse import parse_qsl
from benchmark.tracking.sync import sync
print(tuple(sync(Path(sys.argv[1]), lock=Path(sys.argv[1]) / "dvc.lock")))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one training and one results table."""
    root = tmp_path_factory.mktemp("trained")
    (root / "params.yaml").write_text("seed: 1\n")
    (root / "reports/joint").mkdir(parents=True)
    (root / "reports/joint/confusion.png").write_bytes(b"png")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        patch.chdir(root)
        with track(
            root, experiment=tracking.TRAIN, name="train@joint", tags={"modality": "joint"},
            params={f"p{index}": index for index in range(150)},
            record=root / "runs/train-joint.json", artifacts=[root / "reports/joint/confusion.png"],
        ) as run:  # fmt: skip
            for epoch in range(1, 4):
                run.metrics(epoch, {f"m{index}": index / epoch for index in range(500)})
            run.metrics(3, {"top1": 61.25})
        records = table_records(root, 3)
        show_and_record(root, root / "runs/table.json", records)
    return root


@pytest.fixture
def root(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, store and all."""
    for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    project = shutil.copytree(trained, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(project)
    return project


def table_records(root: Path, rows: int):
    parent = new_record(
        root, experiment=tracking.TABLE, name="table mimic", start_ms=2_000 + rows,
        end_ms=3_000, tags={"kind": "table"},
        table=Table(columns=("row", "top1"), rows=tuple((f"{i}", i / 3) for i in range(rows))),
    )  # fmt: skip
    children = [
        new_record(
            root, experiment=tracking.TABLE, name=f"{index:02d} row", start_ms=2_000, end_ms=3_000,
            parent_key=parent.run_key, params={"members": "joint", "rule": "single"},
            tags={"kind": "row", "row.index": f"{index:02d}"},
            metrics={"top1": 50.0 + index, "test_top1": 49.5},
        )
        for index in range(rows)
    ]  # fmt: skip
    return [parent, *children]


def shown(root: Path) -> dict[str, object]:
    """All that the UI can show, by run_key; without the marks of a restored run."""
    store = tracking.open_store(root)
    runs = tracking.search(store, "")
    keys = {run.info.run_id: run.data.tags["run_key"] for run in runs}
    assert len(set(keys.values())) == len(runs), "a run is there twice"
    return {keys[run.info.run_id]: _shown(store, run, keys) for run in runs}


def _shown(store: tracking.Store, run, keys: dict[str, str]) -> dict[str, object]:
    tags = {key: value for key, value in run.data.tags.items() if key != "restored"}
    parent = tags.pop("mlflow.parentRunId", None)
    histories = [store.client.get_metric_history(run.info.run_id, key) for key in run.data.metrics]
    return {
        "info": (run.info.run_name, run.info.status, run.info.start_time, run.info.end_time),
        "params": run.data.params,
        "tags": tags,
        "parent": keys[parent] if parent else None,
        "metrics": {(m.key, m.value, m.step, m.timestamp) for h in histories for m in h},
        "artifacts": [item.path for item in store.client.list_artifacts(run.info.run_id)],
    }


def test_a_lost_store_is_made_again_whole_and_once(root: Path) -> None:
    before = shown(root)
    shutil.rmtree(root / "mlruns")
    # In its own process, as a user would: MLflow keeps the old database open in this one.
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-c", SYNC, str(root)]
    done = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert done == ["(5, 0, 0, 0)\n", "(0, 5, 0, 0)\n"]
    elsewhere = root.rename(root.with_name("elsewhere"))
    assert shown(elsewhere) == before
    assert len(before) == 5
    training = next(run for run in before.values() if run["info"][0] == "train@joint")
    assert len(training["metrics"]) == 1501, "more than one batch"
    assert len(training["params"]) == 150
    assert training["artifacts"] == ["confusion.png"]


def test_syncing_again_creates_nothing(root: Path) -> None:
    before = shown(root)
    for _ in range(2):
        assert sync(root, lock=root / "dvc.lock") == SyncReport(created=0, present=5, closed=0)
    assert shown(root) == before


def test_a_second_clone_shows_each_run_once(root: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(root, clone, ignore=shutil.ignore_patterns("mlruns", "mlflow.db"))
    assert sync(clone, lock=clone / "dvc.lock").created == 5
    assert sync(clone, lock=clone / "dvc.lock").created == 0
    assert shown(clone) == shown(root)
    restored = tracking.search(tracking.open_store(clone), "tags.restored = 'true'")
    assert len(restored) == 5


def test_rows_lie_under_their_table(root: Path) -> None:
    records = read_records(root / "runs/table.json")
    runs = shown(root)
    assert [runs[record.run_key]["parent"] for record in records] == [
        None, *[records[0].run_key] * 3,
    ]  # fmt: skip
    assert runs[records[0].run_key]["artifacts"] == ["results_table.json"]
    store = tracking.open_store(root)
    (parent,) = tracking.search(store, "tags.kind = 'table'")
    local = store.client.download_artifacts(parent.info.run_id, "results_table.json")
    content = json.loads(Path(local).read_text())
    assert content["columns"] == ["row", "top1"]
    names, scores = zip(*content["data"], strict=True)
    assert names == ("0", "1", "2")
    assert scores == pytest.approx((0, 1 / 3, 2 / 3))
    assert parent.data.tags["mlflow.loggedArtifacts"], "the UI draws it as a table"


def test_logging_the_same_records_again_adds_nothing(root: Path) -> None:
    assert log_records(tracking.open_store(root), root, read_records(root / "runs/table.json")) == 0


def test_the_links_open_the_table_that_is_here_and_not_a_later_one(root: Path) -> None:
    here = ui_links(root, 5000)
    log_records(tracking.open_store(root), root, table_records(root, 5))
    assert ui_links(root, 5000) == here
    (root / "runs/table.json").unlink()
    assert ui_links(root, 5000) != here


def test_the_links_follow_the_latest_table(root: Path) -> None:
    later = table_records(root, 5)
    log_records(tracking.open_store(root), root, later)
    write_records(root / "runs/table.json", later)
    store = tracking.open_store(root)
    (latest,) = tracking.search(store, f"tags.run_key = '{later[0].run_key}'")
    number = tracking.experiment_id(store, tracking.TABLE)
    links = ui_links(root, 5000)
    assert list(links) == ["results table", "rows of the table", "trainings"]
    page = f"http://127.0.0.1:5000/#/experiments/{number}/runs"
    run_id = latest.info.run_id
    assert links["results table"].startswith(f"{page}/{run_id}/artifacts/results_table.json?")
    assert [item.path for item in store.client.list_artifacts(run_id)] == ["results_table.json"]
    start, query = links["rows of the table"].split("?")
    assert start == page
    asked = dict(parse_qsl(query))
    assert asked["orderByAsc"] == "true"
    rows = store.client.search_runs([number], asked["searchFilter"], order_by=[asked["orderByKey"]])
    assert [row.info.run_name for row in rows] == [f"{index:02d} row" for index in range(5)]


def test_a_run_deleted_in_the_ui_stays_deleted(root: Path) -> None:
    store = tracking.open_store(root)
    (run,) = tracking.search(store, "", tracking.TRAIN)
    store.client.delete_run(run.info.run_id)
    assert sync(root, lock=root / "dvc.lock").created == 0
    assert tracking.search(store, "", tracking.TRAIN) == []


def test_a_run_restored_in_part_is_restored_anew(root: Path) -> None:
    """As after a kill in the middle of `sync`: the run is there, its key is not yet."""
    before = shown(root)
    store = tracking.open_store(root)
    (run,) = tracking.search(store, "", tracking.TRAIN)
    key = run.data.tags["run_key"]
    store.client.delete_tag(run.info.run_id, "run_key")
    store.client.set_tag(run.info.run_id, RESTORING, key)
    assert sync(root, lock=root / "dvc.lock").created == 1
    assert shown(root) == before


def test_the_hashes_of_dvc_are_noted_where_they_belong_to_the_record(root: Path) -> None:
    def lock(md5: str) -> Path:
        path = root / "dvc.lock"
        path.write_text(
            "schema: '2.0'\nstages:\n  train@joint:\n    cmd: x\n    outs:\n"
            "    - path: models/joint\n      md5: 0123.dir\n"
            f"    - path: runs/train-joint.json\n      md5: {md5}\n"
        )
        return path

    def tags() -> dict[str, str]:
        (run,) = tracking.search(tracking.open_store(root), "", tracking.TRAIN)
        return {key: value for key, value in run.data.tags.items() if key.startswith("dvc.out.")}

    sync(root, lock=lock("of an older record"))
    assert tags() == {}
    md5 = hashlib.md5((root / "runs/train-joint.json").read_bytes()).hexdigest()
    sync(root, lock=lock(md5))
    assert tags() == {"dvc.out.models/joint": "0123.dir", "dvc.out.runs/train-joint.json": md5}


@pytest.mark.parametrize(
    ("size", "copied"),
    [(9, ["experiment.json", "weights.safetensors"]), (MODEL_BYTES, ["experiment.json"])],
)
def test_a_model_is_shown_once_with_its_scores_its_place_in_dvc_and_if_small_its_folder(
    root: Path, size: int, copied: list[str]
) -> None:
    md5 = hashlib.md5((root / "runs/train-joint.json").read_bytes()).hexdigest()
    (root / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  train@joint:\n    cmd: x\n    outs:\n"
        "    - path: models/joint\n      md5: 0123.dir\n"
        f"    - path: runs/train-joint.json\n      md5: {md5}\n"
    )
    folder = root / "models/joint"
    folder.mkdir(parents=True)
    (folder / "experiment.json").write_text("{}")
    (folder / "weights.safetensors").write_bytes(bytes(size))
    for _ in range(2):
        sync(root, lock=root / "dvc.lock")
    store = tracking.open_store(root)
    (run,) = tracking.search(store, "", tracking.TRAIN)
    (model,) = store.client.search_logged_models([run.info.experiment_id])
    assert (model.name, model.source_run_id, str(model.status)) == (
        "joint", run.info.run_id, "READY",
    )  # fmt: skip
    assert model.tags["dvc.path"] == "models/joint"
    assert model.tags["dvc.md5"] == "0123.dir"
    assert "`dvc pull models/joint`" in model.tags["mlflow.note.content"]
    files = store.client.list_logged_model_artifacts(model.model_id)
    assert [file.path for file in files] == copied
    (model,) = store.client.search_logged_models([run.info.experiment_id])
    assert {metric.key: metric.value for metric in model.metrics} == {
        "top1": run.data.metrics["top1"]
    }
    assert len(store.client.get_metric_history(run.info.run_id, "top1")) == 1, "the run has it once"


def test_a_run_deleted_in_the_ui_takes_no_hashes_and_no_model(root: Path) -> None:
    store = tracking.open_store(root)
    (run,) = tracking.search(store, "", tracking.TRAIN)
    store.client.delete_run(run.info.run_id)
    md5 = hashlib.md5((root / "runs/train-joint.json").read_bytes()).hexdigest()
    (root / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  train@joint:\n    cmd: x\n    outs:\n"
        "    - path: models/joint\n      md5: 0123.dir\n"
        f"    - path: runs/train-joint.json\n      md5: {md5}\n"
    )
    sync(root, lock=root / "dvc.lock")
    assert store.client.search_logged_models([run.info.experiment_id]) == []


def test_a_damaged_record_stops_the_sync_before_it_begins(root: Path) -> None:
    path = root / "runs/table.json"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(FormatError, match=r"runs/table\.json"):
        sync(root, lock=root / "dvc.lock")


def test_a_damaged_lock_is_named(root: Path) -> None:
    (root / "dvc.lock").write_text("stages: [")
    with pytest.raises(FormatError, match=r"dvc\.lock"):
        sync(root, lock=root / "dvc.lock")


@pytest.mark.parametrize(
    "text",
    ["stages: []\n", "stages: {a: {outs: null}}\n", "stages: {a: {outs: [{md5: x}]}}\n",
     "stages: {a: {outs: [3]}}\n", "stages: {a: {outs: [{path: m, md5: [1]}]}}\n", "a: &a [*a]\n"],
)  # fmt: skip
def test_a_lock_file_of_another_form_is_one_message(root: Path, text: str) -> None:
    (root / "dvc.lock").write_text(text, "utf-8")
    with pytest.raises(FormatError, match="(?s)not a lock file of DVC.*git checkout dvc.lock"):
        sync(root, lock=root / "dvc.lock")
