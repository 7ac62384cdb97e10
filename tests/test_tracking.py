"""What MLflow shows of a run, however the run ends. A real store; no network."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from benchmark.core.errors import BenchmarkError, FormatError
from benchmark.core.files import find_root
from benchmark.tracking import store as tracking
from benchmark.tracking.records import (
    Point,
    Table,
    flatten,
    is_dead,
    new_record,
    origin,
    read_records,
    write_records,
)
from benchmark.tracking.run import track
from benchmark.tracking.sync import sync
from benchmark.tracking.ui import ui_links
from conftest import REPO
from tracked import place

pytestmark = pytest.mark.slow

ENDLESS = """
import sys, time
from pathlib import Path
from benchmark.tracking.run import track
root = Path(sys.argv[1])
with track(root, experiment="mmgesture/train", name="endless", params={}, tags={},
           record=root / "runs/endless.json") as run:
    run.metrics(1, {"top1": 1.0})
    print("ready", flush=True)
    time.sleep(60)
"""
SHORT = ENDLESS.replace("    time.sleep(60)\n", "")


@pytest.fixture
def root(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return place(tmp_path / "project", tables, monkeypatch)


def start(root: Path, name: str = "train@joint", **changes: object):
    arguments = {
        "experiment": tracking.TRAIN, "name": name, "params": {"lr": 0.1}, "tags": {},
        "record": root / f"runs/{name}.json", **changes,
    }  # fmt: skip
    return track(root, **arguments)


def only_run(root: Path):
    (run,) = tracking.search(tracking.open_store(root), "", deleted=True)
    return run


def spawn(script: str, root: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    return subprocess.Popen(
        [sys.executable, "-c", script, str(root)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def columns_of(root: Path) -> list[tuple[str, str]]:
    """Every table of the database with all that it holds, as text."""
    with closing(sqlite3.connect(root / "mlruns/mlflow.db")) as base:
        names = [
            name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        return [(name, str(base.execute(f'SELECT * FROM "{name}"').fetchall())) for name in names]


# ---------------------------------------------------------------- records


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    parent = new_record(
        tmp_path, experiment="e", name="table", start_ms=1, end_ms=2, tags={"kind": "table"},
        artifacts=[tmp_path / "reports/a.png"], table=Table(columns=("row", "top1"),
        rows=(("01 joint", 58.1), ("02 limb", None))),
    )  # fmt: skip
    child = new_record(
        tmp_path, experiment="e", name="row", start_ms=1, end_ms=2, parent_key=parent.run_key,
        params={"rule": {"kind": "convex"}}, metrics={"top1": 58.1},
    )  # fmt: skip
    write_records(tmp_path / "runs/table.json", [parent, child])
    assert read_records(tmp_path / "runs/table.json") == (parent, child)
    assert parent.artifacts == ("reports/a.png",)
    assert child.params == {"rule.kind": "convex"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e-300, 3.0])
def test_a_record_keeps_any_number(tmp_path: Path, value: float) -> None:
    record = new_record(tmp_path, experiment="e", name="n", start_ms=1, end_ms=2)
    point = Point(key="loss", value=value, step=1, timestamp_ms=1)
    write_records(tmp_path / "r.json", [record.model_copy(update={"metrics": (point,)})])
    (back,) = read_records(tmp_path / "r.json")
    assert repr(back.metrics[0].value) == repr(value)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[: len(text) // 2], "JSON"),
        (lambda text: text.replace("runs/1", "runs/2"), "format"),
        (lambda text: text.replace('"status":"FINISHED"', '"status":"DONE"'), "runs.0.status"),
        (lambda text: text.replace('"artifacts":[]', '"artifacts":["../x"]'), "leaves"),
        (lambda text: text.replace('"parent_key":null', f'"parent_key":"{"a" * 32}"'), "parent"),
    ],
)
def test_a_damaged_record_is_named_with_its_fault(tmp_path: Path, damage, said: str) -> None:
    path = tmp_path / "runs/train-joint.json"
    write_records(path, [new_record(tmp_path, experiment="e", name="n", start_ms=1, end_ms=2)])
    path.write_text(damage(path.read_text()))
    with pytest.raises(FormatError, match=said) as caught:
        read_records(path)
    assert str(path) in str(caught.value)


def test_nested_params_become_dotted_names() -> None:
    nested = {
        "lr": 0.001,
        "backbone": {"kind": "swin", "depths": (2, 2)},
        "clip": None,
        "amp": True,
    }
    assert flatten(nested) == {
        "lr": "0.001", "backbone.kind": "swin", "backbone.depths": "[2, 2]", "clip": "null",
        "amp": "true",
    }  # fmt: skip


# ---------------------------------------------------------------- how runs end


def test_a_finished_run_shows_and_records_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "SAMPLING_SECONDS", 0.05)
    monkeypatch.setenv("DVC_STAGE", "train@joint")
    picture = root / "reports/joint/confusion.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"png")
    artifacts = [picture, Path("reports/joint/never-made.png")]
    with start(root, artifacts=artifacts, tags={"modality": "joint"}) as run:
        for epoch in (1, 2):
            run.metrics(epoch, {"train/loss": 1 / epoch, "val/top1": 50.0 + epoch})
            time.sleep(0.15)
        run.tag("resumed", "false")
    (record,) = read_records(root / "runs/train@joint.json")
    shown, client = only_run(root), tracking.open_store(root).client
    assert shown.info.status == record.status == "FINISHED"
    assert (shown.info.start_time, shown.info.end_time) == (record.start_ms, record.end_ms)
    assert shown.data.params == record.params == {"lr": "0.1"}
    assert record.tags["resumed"] == "false"
    assert record.tags["dvc.stage"] == "train@joint"
    assert record.tags.items() <= shown.data.tags.items()
    assert shown.data.tags["run_key"] == record.run_key
    assert [item.path for item in client.list_artifacts(shown.info.run_id)] == ["confusion.png"]
    points = {(item.key, item.value, item.step, item.timestamp_ms) for item in record.metrics}
    assert points == {
        (item.key, item.value, item.step, item.timestamp)
        for key in shown.data.metrics
        for item in client.get_metric_history(shown.info.run_id, key)
    }
    assert {key for key, *_ in points} >= {
        "train/loss",
        "val/top1",
        "system/cpu_utilization_percentage",
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("loss is not finite"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(143), "KILLED"),
        (SystemExit(0), "KILLED"),
    ],
)
def test_a_broken_off_run_says_how_it_ended_and_leaves_no_record(
    root: Path, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)) as caught, start(root):
        raise error
    assert caught.value is error
    assert only_run(root).info.status == status
    assert not (root / "runs").exists()


def test_a_run_whose_record_cannot_be_written_has_failed(root: Path) -> None:
    (root / "runs").write_text("a file where the folder should be")
    with pytest.raises(FileExistsError), start(root):
        pass
    assert only_run(root).info.status == "FAILED"


def test_an_artifact_outside_the_project_is_refused_before_the_work(root: Path) -> None:
    with (
        pytest.raises(BenchmarkError, match="elsewhere"),
        start(root, artifacts=[Path("/elsewhere/x")]),
    ):
        pytest.fail("the work began")


def test_a_killed_process_leaves_running_until_the_next_sync(root: Path) -> None:
    process = spawn(ENDLESS, root)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    lock = root / "dvc.lock"
    assert sync(root, lock=lock).closed == 0, "it still lives"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert only_run(root).info.status == "RUNNING"
    killed_ms = time.time() * 1000
    assert sync(root, lock=lock).closed == 1
    assert only_run(root).info.status == "KILLED"
    assert only_run(root).info.end_time <= killed_ms, "it ended with its last sign of life"
    assert sync(root, lock=lock).closed == 0


def test_the_next_run_closes_a_killed_one(root: Path) -> None:
    tags = {"run_key": "a" * 32, "pid.started": "1.0"}
    record = new_record(root, experiment=tracking.TRAIN, name="old", start_ms=5, end_ms=5)
    tracking.create(tracking.open_store(root), record, tags)
    with start(root):
        runs = tracking.search(tracking.open_store(root), "")
        assert {run.info.run_name: run.info.status for run in runs} == {
            "old": "KILLED", "train@joint": "RUNNING",
        }  # fmt: skip


def test_death_is_told_by_boot_number_and_start(tmp_path: Path) -> None:
    mine = origin(tmp_path)
    assert not is_dead(mine)
    assert is_dead({**mine, "boot_id": "another"})
    assert is_dead({**mine, "pid.started": "1.0"}), "the number was given to another process"
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert is_dead({**mine, "pid": str(done.pid)})


def test_origin_names_the_commit_and_sees_changes_of_code_only(tmp_path: Path) -> None:
    assert origin(tmp_path)["git.commit"] == "none"
    names = ("-c", "user.name=a", "-c", "user.email=a@b")
    (tmp_path / "code.py").write_text("1")
    (tmp_path / "dvc.lock").write_text("1")
    for command in (["init", "-q"], ["add", "."], [*names, "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    assert len(origin(tmp_path)["git.commit"]) == 40
    (tmp_path / "dvc.lock").write_text("2")
    assert origin(tmp_path)["git.dirty"] == "false"
    (tmp_path / "code.py").write_text("2")
    assert origin(tmp_path)["git.dirty"] == "true"


# ---------------------------------------------------------------- the store


def test_four_processes_may_make_the_store_at_once(root: Path) -> None:
    shutil.rmtree(root / "mlruns")
    processes = [spawn(SHORT, root) for _ in range(4)]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    runs = tracking.search(tracking.open_store(root), "", tracking.TRAIN)
    assert [run.info.status for run in runs] == ["FINISHED"] * 4


def test_a_moved_project_keeps_its_artifacts_and_writes_new_ones_at_home(root: Path) -> None:
    (root / "a.txt").write_text("old")
    with start(root, artifacts=[root / "a.txt"]):
        pass
    there = root.with_name("moved here")
    root.rename(there)
    with start(there, name="train@rgb", artifacts=[there / "a.txt"]):
        pass
    client = tracking.open_store(there).client
    runs = tracking.search(tracking.open_store(there), "")
    assert len(runs) == 2
    for run in runs:
        assert [item.path for item in client.list_artifacts(run.info.run_id)] == ["a.txt"]
        assert run.info.artifact_uri.startswith(f"{there}/mlruns/artifacts/mmgesture/train/")
    assert not root.exists(), "nothing was written to the old place"


def test_a_moved_project_keeps_what_only_mlflow_has(root: Path) -> None:
    """Runs by hand, notes, failed runs, registered models: no record could bring them back."""
    client = tracking.open_store(root).client
    with pytest.raises(RuntimeError), start(root):
        raise RuntimeError
    client.set_tag(only_run(root).info.run_id, "mlflow.note.content", "the learning rate")
    by_hand = client.create_run("0", run_name="by hand").info
    (root / "a.txt").write_text("mine")
    elsewhere = client.create_experiment("mine", f"{root}-mine/artifacts/mine")
    client.create_registered_model("champion")
    client.create_model_version("champion", f"{root}/mlruns/artifacts/x", by_hand.run_id)
    there = root.with_name("moved here")
    root.rename(there)
    client = tracking.open_store(there).client
    runs = {run.info.run_name: run for run in tracking.search(tracking.open_store(there), "")}
    assert runs["train@joint"].info.status == "FAILED"
    assert runs["train@joint"].data.tags["mlflow.note.content"] == "the learning rate"
    assert runs["by hand"].info.run_id == by_hand.run_id
    assert client.get_experiment(elsewhere).artifact_location == f"{root}-mine/artifacts/mine"
    assert client.get_model_version("champion", "1").source == f"{there}/mlruns/artifacts/x"
    for table, column in columns_of(there):
        assert f"{root}/mlruns/" not in column, table


def test_a_moved_store_is_rewritten_once(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with start(root):
        pass
    there = root.with_name("moved here")
    root.rename(there)
    for _ in range(2):
        tracking.open_store(there)
    assert caplog.text.count("rewriting the paths") == 1


def test_a_plain_mlflow_ui_finds_the_store(root: Path) -> None:
    tracking.open_store(root)
    assert (root / "mlflow.db").resolve() == root / "mlruns/mlflow.db"
    tracking.open_store(root)


def test_a_database_of_the_user_is_left_alone(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "mlflow.db").write_text("mine")
    tracking.open_store(root)
    assert (root / "mlflow.db").read_text() == "mine"
    assert "is not a link" in caplog.text


def test_an_experiment_of_dvc_logs_to_the_project(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.setenv("DVC_EXP_NAME", "fast-lr")
    with start(copy):
        pass
    assert only_run(root).data.tags["dvc.exp"] == "fast-lr"
    assert (copy / "runs/train@joint.json").exists()
    assert not (copy / "mlruns").exists()


def test_the_root_is_where_params_yaml_is(root: Path) -> None:
    (root / "a/b").mkdir(parents=True)
    assert find_root(root / "a/b") == root
    with pytest.raises(BenchmarkError, match=r"params\.yaml"):
        find_root(root.parent)


def test_the_links_show_the_trainings_before_there_is_a_table(root: Path) -> None:
    assert ui_links(root, 5000) == {
        "trainings": "http://127.0.0.1:5000/#/experiments/1/runs"
        "?compareRunsMode=CHART&workflowType=machine_learning"
    }


def test_the_ui_describes_experiments_and_names_the_data_of_runs(root: Path) -> None:
    with track(
        root, experiment=tracking.TRAIN, name="train@a", params={}, record=root / "runs/a.json",
        tags={"edition": "mimic/5", tracking.NOTE: "a on b."},
    ):  # fmt: skip
        pass
    run = only_run(root)
    assert run.data.tags[tracking.NOTE] == "a on b."
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("mimic", "version 5")
    store = tracking.open_store(root)
    assert {*tracking.EXPERIMENTS} >= {
        experiment.name for experiment in store.client.search_experiments()
        if tracking.NOTE in experiment.tags
    } >= {tracking.TRAIN}  # fmt: skip
