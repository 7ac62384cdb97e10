"""The whole path on a tiny edition, from nothing to a submission file, by the real commands."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from ruamel.yaml import YAML

import browser
from benchmark.clips import read_clips
from benchmark.editions import read_edition
from benchmark.predictions import read_probabilities
from conftest import REPO
from tiny_project import PARAMS, change, command, project, ran

pytestmark = pytest.mark.slow

KEPT = ("joint", "rgb", "rgb_joint", "swin_rgb")
"""From nothing and from two merged, all kinds of input. Their number is time."""
ROWS = [
    row.name
    for row in PARAMS.table.rows
    if {row.source, *(row.members or ())} - {None} <= {*KEPT, *PARAMS.fusions}
]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after its first `dvc repro`."""
    root = project(tmp_path_factory.mktemp("e2e") / "project", kept=KEPT)
    command(root, "dvc", "repro")
    return root


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
        "data mimic", "tiny_depth", "modalities mimic", "table mimic",
        "analysis mimic", "mimic final",
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
    assert len(rows) == 16
    assert all(0 <= int(row[1]) <= 31 for row in rows)
    with zipfile.ZipFile(done / "submissions/final/prediction.zip") as archive:
        assert archive.namelist() == ["prediction.csv"]
        assert (
            archive.read("prediction.csv")
            == (done / "submissions/final/prediction.csv").read_bytes()
        )


BY_HAND = """
import json, sys
import numpy as np
from pathlib import Path
from benchmark.clips import read_clips
from benchmark.modalities.single import Span
from pipelines.recognition import open_system, read_points, recognise
from dataclasses import replace
system = replace(open_system("convex"), temperature=None)
clips = [c for c in read_clips(Path("data/mimic/clips.parquet"), system.edition).split("test")]
own = [clip for clip in clips if clip.video == clips[0].video]
raw = Path("data/raw/mimic")
video = next(raw.rglob(f"{own[0].video}.mp4"))
points = read_points(next(raw.rglob(f"{own[0].video}_openpose.xlsx")))
windows = [Span(clip.start_frame, clip.end_frame) for clip in own]
found = recognise(system, video, windows, points)
print(json.dumps({clip.clip_id: one.p.tolist() for clip, one in zip(own, found)}))
"""


def test_a_video_by_hand_gets_what_the_stages_predict_of_its_clips(done: Path) -> None:
    """Three lines of Python, on the raw video and its sheet, against `dvc repro`."""
    told = json.loads(command(done, sys.executable, "-c", BY_HAND).stdout.splitlines()[-1])
    assert len(told) >= 4
    whole = read_probabilities(done / "predictions/convex/test.parquet")
    row = {clip: place for place, clip in enumerate(whole.clip_id)}
    for clip, p in told.items():
        np.testing.assert_allclose(p, whole.p[row[clip]], atol=1e-6)


def test_predict_writes_what_it_sees(done: Path) -> None:
    video = next((done / "data/raw/mimic").rglob("imigue_rgb_phase2/**/*.mp4"))
    command(done, "mgbench", "predict", str(video), "--window", "2", "--end", "5", "--out", "seen")
    told = json.loads((done / "seen/recognised.json").read_text("utf-8"))
    assert len(told["windows"]) == 4
    assert told["calibrated"] is True
    assert told["members"] == {"swin_rgb": 1.0}, "the only one that needs no skeleton"
    names = {path.name for path in (done / "seen").iterdir()}
    assert names == {"recognised.json", "recognised.csv", "timeline.png", "annotated.mp4"}


def test_every_cell_of_the_notebook_runs(done: Path) -> None:
    notebook = json.loads((REPO / "docs/compare-fusions.ipynb").read_text("utf-8"))
    assert [cell["outputs"] for cell in notebook["cells"] if "outputs" in cell] == [[]] * 5
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    code = "\n".join("".join(cell["source"]) for cell in cells)
    said = command(done, sys.executable, "-c", code).stdout
    assert "nested" in said
    assert (done / "submissions/notebook/prediction.csv").is_file()


def test_the_report_needs_nothing_beside_it(done: Path) -> None:
    page = unescape((done / "reports/report.html").read_text("utf-8"))
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]{0,40})', page) == []
    assert page.count("data:video/mp4") >= 16
    for name in ROWS:
        assert name in page
    assert "never comparable with results on iMiGUE" in page


SORTED = """
const table = document.querySelector("table.sortable");
const column = () => [...table.tBodies[0].rows].map(row => parseFloat(row.cells[2].textContent));
table.tHead.rows[0].cells[2].click();
const down = column();
table.tHead.rows[0].cells[2].click();
const links = [...document.querySelectorAll("nav a")];
return {down, up: column(), links: links.length,
        lost: links.filter(a => !document.querySelector(a.getAttribute("href"))).map(a => a.href)};
"""
PLAYED = """
const played = [];
for (const video of document.querySelectorAll("video")) {
  await video.play();
  await new Promise(done => video.addEventListener("timeupdate", done, {once: true}));
  played.push(video.duration > 0.2 && video.videoWidth > 0);
  video.pause();
}
return played;
"""
WIDTH = "return [document.documentElement.scrollWidth, innerWidth]"
needs_chromium = pytest.mark.skipif(browser.CHROMIUM is None, reason="needs chromium")


@needs_chromium
def test_the_report_sorts_links_and_plays_in_a_browser(done: Path, tmp_path: Path) -> None:
    page = done / "reports/report.html"
    told = browser.ask(page, SORTED, tmp_path)
    assert told["down"] == sorted(told["down"], reverse=True)
    assert told["up"] == sorted(told["up"])
    assert (told["lost"], told["links"]) == ([], 7)
    played = browser.ask(page, PLAYED, tmp_path)
    assert len(played) >= 16
    assert all(played)


@needs_chromium
@pytest.mark.parametrize("width", [500, 1400])
def test_the_report_is_no_wider_than_a_screen(done: Path, tmp_path: Path, width: int) -> None:
    wide, window = browser.ask(done / "reports/report.html", WIDTH, tmp_path, width=width)
    assert wide <= window


def test_the_page_has_every_row_and_says_what_the_data_are(done: Path) -> None:
    page = (done / "RESULTS.md").read_text("utf-8")
    for place, name in enumerate(ROWS, 1):
        assert page.count(f"| {place:02} | {name} |") == 2, name
    assert "never comparable with results on iMiGUE" in page


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
    assert len(rows) == len(ROWS)
    client = mlflow.MlflowClient()
    artifacts = {item.path for item in client.list_artifacts(joint.info.run_id)}
    assert {"confusion.png", "history.png", "history.csv"} <= artifacts
    sheets = client.list_artifacts(by_name["modalities mimic"].info.run_id)
    assert {"sheets.html", "01.png"} <= {item.path for item in sheets}
    assert [item.path for item in client.list_artifacts(by_name["tiny_depth"].info.run_id)]
    assert len(client.get_metric_history(joint.info.run_id, "val/top1")) == 2


def test_a_second_repro_runs_nothing(done: Path) -> None:
    assert ran(done) == []
    assert "32 of 32 stages are up to date" in command(done, "mgbench", "status").stdout


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
    scored = [f"evaluate@{name}" for name in KEPT]
    found = ran(done, *scored)
    assert {"train@joint", "predict@joint"} <= set(found)
    assert {"merge@merged_joint", "train@rgb_joint"} <= set(found), "what started from it"
    assert not {stage for stage in found if stage.endswith(("@rgb", "@swin_rgb"))}
    assert not {"synthesize", "index@mimic", "prepare@skeleton", "prepare@rgb"} & set(found)
    (done / "params.yaml").write_text(before, "utf-8")
    again = command(done, "dvc", "repro", *scored).stdout
    assert "Stage 'train@joint' is cached - skipping run" in again


def results(root: Path) -> dict[str, str]:
    """What dvc.lock says of every output but the records of runs, which hold times."""
    lock = YAML(typ="safe").load(root / "dvc.lock")
    outs = [out for stage in lock["stages"].values() for out in stage["outs"]]
    return {out["path"]: out["md5"] for out in outs if not out["path"].startswith("runs/")}


def test_stages_that_draw_numbers_make_the_same_bytes_when_they_run_again(done: Path) -> None:
    before = results(done)
    again = (
        "synthesize", "train@rgb_joint", "predict@rgb_joint", "fuse@uniform", "submit@final",
    )  # fmt: skip
    out = command(done, "dvc", "repro", "--force", "--single-item", *again).stdout
    assert out.count("Running stage") == len(again)
    assert results(done) == before


def test_a_killed_training_keeps_its_checkpoint_and_leaves_no_run_open(done: Path) -> None:
    change(done, ("recipes", "pose_small"), {"epochs": 40, "checkpoint_minutes": 0.01})
    environment = {**os.environ, "PYTHONPATH": str(done)}
    process = subprocess.Popen(
        [
            sys.executable, "-m", "pipelines.train", "joint", "--clips", "data/mimic/clips.parquet",
            "--media", "data/mimic/skeleton", "--start", "models/scratch", "--out", "models/joint",
            "--reports", "reports/joint", "--record", "runs/train-joint.json",
        ],
        cwd=done, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list((done / ".ckpt").rglob("last.pt")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    command(done, "mgbench", "sync")
    assert ("train@joint", "KILLED") in shown(done)
    assert "RUNNING" not in {status for _, status in shown(done)}
    change(done, ("recipes", "pose_small"), {"epochs": 2, "checkpoint_minutes": 5.0})
