"""The whole path on a tiny edition, from nothing to a submission file, by the real commands."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from ruamel.yaml import YAML

from benchmark.contracts.clips import read_clips
from benchmark.contracts.intervals import read_intervals
from benchmark.contracts.window_scores import read_window_scores
from benchmark.editions.edition import read_edition
from tiny_project import KEPT, PARAMS, ROWS, change, command, ran

pytestmark = pytest.mark.slow


def runs(root: Path) -> list[Any]:
    mlflow.set_tracking_uri(f"sqlite:///{root}/mlruns/mlflow.db")
    return mlflow.search_runs(search_all_experiments=True, output_format="list")


def shown(root: Path) -> list[tuple[str, str]]:
    """Name and status of every run, read from the file: MLflow keeps a deleted store open."""
    with closing(sqlite3.connect(root / "mlruns/mlflow.db")) as store:
        return sorted(store.execute("SELECT name, status FROM runs"))


ALL_RUNS = sorted(
    (name, "FINISHED")
    for name in (
        "data mimic", "modalities mimic", "table mimic",
        "analysis mimic", "report mimic", "mimic final", "online online_joint",
        *(f"train@{name}" for name in KEPT),
        *(f"{place:02} {name}" for place, name in enumerate(ROWS, 1)),
    )
)  # fmt: skip


def test_the_submission_is_what_the_challenge_takes(done: Path) -> None:
    edition = read_edition("mimic")
    ids = read_clips(done / "data/mimic/clips.parquet", edition).split("test").ids
    with (done / "submissions/final/prediction.csv").open(newline="") as file:
        header, *rows = list(csv.reader(file))
    assert header == ["Id", "Target"]
    assert [row[0] for row in rows] == ids
    assert len(rows) == 12
    assert all(0 <= int(row[1]) <= 31 for row in rows)
    with zipfile.ZipFile(done / "submissions/final/prediction.zip") as archive:
        assert archive.namelist() == ["prediction.csv"]
        assert (
            archive.read("prediction.csv")
            == (done / "submissions/final/prediction.csv").read_bytes()
        )


def test_the_page_has_every_row_and_says_what_the_data_are(done: Path) -> None:
    page = (done / "RESULTS.md").read_text("utf-8")
    for place, name in enumerate(ROWS, 1):
        assert page.count(f"| {place:02} | {name} |") == 2, name
    assert "never comparable with results on iMiGUE" in page


def test_gestures_of_whole_videos_are_found_scored_and_written(done: Path) -> None:
    clips = read_clips(done / "data/mimic/clips.parquet", read_edition("mimic"))
    page = (done / "RESULTS.md").read_text("utf-8").partition("## Online recognition")[2]
    assert "**Generated data**" in page
    assert [line.split(" | ")[:2] for line in page.splitlines() if line.startswith("| on")] == [
        ["| online_joint", "val"], ["| online_joint", "test"],
    ]  # fmt: skip
    for split in ("val", "test"):
        windows = read_window_scores(done / f"predictions/windows/online_joint/{split}.parquet")
        found = read_intervals(done / f"predictions/online/online_joint/{split}.parquet")
        ends = {v: int(windows.end[rows].max()) for v, rows in windows.by_video()}
        assert ends.keys() == {*found.videos} == {clip.video for clip in clips.split(split)}
        assert all(clip.end_frame <= ends[clip.video] for clip in clips.split(split))
        assert all(windows.start[rows][0] == 0 for _, rows in windows.by_video())
        limit = np.array([ends[video] for video in found.videos])
        assert (found.end <= limit[found.video]).all()
    file = "predictions/online/online_joint/test.parquet"
    command(done, "mgbench", "submit", "online", file, "--edition", "mimic", "--out", "o")
    assert len([*(done / "o").glob("*_prediction.csv")]) == 2
    scores = ("scores", "online", file, "--edition", "mimic", "--split", "test")
    told = command(done, "mgbench", *scores).stdout
    row = next(line for line in page.splitlines() if line.startswith("| online_joint | test"))
    share = float(told.partition("f1_reference ")[2].split()[0])
    assert f"{share:.2f}" == row.split(" | ")[2], "the page and the command score alike"


def test_predict_finds_in_a_video_what_the_stages_found(done: Path) -> None:
    found = read_intervals(done / "predictions/online/online_joint/test.parquet").sure()
    raw = done / "data/raw/mimic"
    video = raw / "imigue_rgb_phase2/1001/1001.mp4"
    sheet = raw / "imigue_data_phase2/imigue_skeleton_test/1001/1001_openpose.xlsx"
    arguments = (str(video), "--skeleton", str(sheet), "--with", "online_joint", "--out", "seen")
    command(done, "mgbench", "predict", *arguments)
    with (done / "seen/segments.csv").open(newline="") as file:
        rows = [(float(row["start_s"]), row["class"]) for row in csv.DictReader(file)]
    here = np.flatnonzero(found.video == found.videos.index("1001"))
    assert rows == [
        (round(found.start[k] / 12, 3), found.classes[found.label[k]]) for k in here
    ]  # fmt: skip


def test_mlflow_shows_every_run_once(done: Path) -> None:
    assert shown(done) == ALL_RUNS
    by_name = {run.info.run_name: run for run in runs(done)}
    joint = by_name["train@joint"]
    assert joint.data.params["recipe.epochs"] == "2"
    assert joint.data.params["backbone.kind"] == "pose_conv3d"
    for metric in ("train/loss", "val/top1", "lr", "clips_s", "top1"):
        assert metric in joint.data.metrics
    assert joint.data.tags["git.commit"]
    parent = by_name["table mimic"].info.run_id
    rows = [run for run in runs(done) if run.data.tags.get("mlflow.parentRunId") == parent]
    assert len(rows) == len(ROWS) + len(PARAMS.online)
    client = mlflow.MlflowClient()
    artifacts = {item.path for item in client.list_artifacts(joint.info.run_id)}
    assert {"confusion.png", "history.png", "history.csv"} <= artifacts
    sheets = client.list_artifacts(by_name["modalities mimic"].info.run_id)
    assert {"previews.html", "01.png"} <= {item.path for item in sheets}
    assert len(client.get_metric_history(joint.info.run_id, "val/top1")) == 2


def test_a_second_repro_runs_nothing(done: Path) -> None:
    assert ran(done) == []
    assert "33 of 33 stages are up to date" in command(done, "mgbench", "status").stdout


def test_a_lost_store_shows_every_run_again_once(done: Path) -> None:
    shutil.rmtree(done / "mlruns")
    command(done, "mgbench", "sync")
    assert shown(done) == ALL_RUNS
    assert command(done, "mgbench", "sync").stdout.startswith("0 created")


def test_a_second_clone_after_pull_shows_every_run(done: Path, tmp_path: Path) -> None:
    command(done, "dvc", "remote", "add", "-f", "-d", "here", str(tmp_path / "remote"))
    command(done, "dvc", "push", "-q")
    command(done, "git", "add", "-A")
    command(done, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "results")
    clone = tmp_path / "clone"
    command(tmp_path, "git", "clone", "-q", str(done), str(clone))
    command(clone, "dvc", "pull", "-q")
    assert ran(clone) == []
    command(clone, "mgbench", "sync")
    assert shown(clone) == ALL_RUNS


def test_one_knob_of_one_experiment_reruns_that_experiment_only(done: Path) -> None:
    before = (done / "params.yaml").read_text("utf-8")
    change(done, ("experiments", "joint", "input"), {"sigma": 0.7})
    asked = [f"predict@{name}" for name in KEPT if name != "rgb_joint"] + [
        "merge_weights@merged_joint"
    ]
    found = ran(done, *asked)
    assert {"train@joint", "predict@joint"} <= set(found)
    assert "merge_weights@merged_joint" in found, "what starts from it"
    assert not {stage for stage in found if stage.endswith(("@rgb", "@swin_rgb"))}
    assert not {"synthesize@mimic", "index@mimic", "prepare@skeleton", "prepare@rgb"} & set(found)
    (done / "params.yaml").write_text(before, "utf-8")
    again = command(done, "dvc", "repro", *asked).stdout
    assert "Stage 'train@joint' is cached - skipping run" in again


def results(root: Path) -> dict[str, str]:
    """What dvc.lock says of every output but records and costs, which hold times."""
    lock = YAML(typ="safe").load(root / "dvc.lock")
    outs = [out for stage in lock["stages"].values() for out in stage["outs"]]
    times = ("runs/", "reports/experiments/rgb_joint/cost.json")
    return {out["path"]: out["md5"] for out in outs if not out["path"].startswith(times)}


def test_stages_that_draw_numbers_make_the_same_bytes_when_they_run_again(done: Path) -> None:
    before = results(done)
    again = ("train@rgb_joint", "fuse@uniform", "submit@final")
    out = command(done, "dvc", "repro", "--force", "--single-item", *again).stdout
    assert out.count("Running stage") == len(again)
    assert results(done) == before


def test_what_was_tried_is_listed_with_its_knob_and_its_scores(done: Path) -> None:
    """`dvc exp run -S` and `dvc exp show`, as docs/pipeline.md says, on a knob that is quick."""
    command(done, "git", "add", "-A")
    command(done, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "before")
    command(done, "dvc", "exp", "run", "-S", "table.resamples=150", "--name", "fewer", "table")
    told = command(done, "dvc", "exp", "show", "--csv").stdout
    rows = {row["Experiment"]: row for row in csv.DictReader(told.splitlines())}
    assert rows["fewer"]["table.resamples"] == "150"
    assert 0 <= float(rows["fewer"]["reports/experiments/joint/metrics.json:top1"]) <= 1
    change(done, ("table",), {"resamples": 200})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_training_keeps_its_checkpoint_and_leaves_no_run_open(
    number: signal.Signals, done: Path
) -> None:
    change(done, ("recipes", "pose_small"), {"epochs": 40, "checkpoint_minutes": 0.01})
    environment = {**os.environ, "PYTHONPATH": str(done)}
    process = subprocess.Popen(
        [
            sys.executable, "-m", "pipelines.train", "joint", "--clips", "data/mimic/clips.parquet",
            "--modality", "data/mimic/skeleton", "--init-from", "models/scratch",
            "--out", "models/joint", "--reports", "reports/experiments/joint",
            "--record", "runs/train-joint.json",
        ],
        cwd=done, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list((done / ".ckpt").rglob("last.pt")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    assert process.wait(60) != 0
    assert list((done / ".ckpt").rglob("last.pt"))
    command(done, "mgbench", "sync")
    assert ("train@joint", "KILLED") in shown(done)
    assert "RUNNING" not in {status for _, status in shown(done)}
    change(done, ("recipes", "pose_small"), {"epochs": 2, "checkpoint_minutes": 5.0})
