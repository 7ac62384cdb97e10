"""Your own clips, from a folder to a submission file, as docs/own-clips.md says."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

import own_clips
from benchmark.params.params import read_params
from own_clips import write_folder, write_skeletons
from tiny_project import change, command, project

pytestmark = pytest.mark.slow


def briefly(root: Path) -> None:
    """One short epoch: that networks learn is not what these tests are about."""
    for name in read_params(root / "params.yaml").recipes:
        change(root, ("recipes", name), {"epochs": 1, "repeats": 1})


def test_own_clips_go_all_the_way_with_their_own_joints_and_classes(tmp_path: Path) -> None:
    """docs/own-clips.md, step by step."""
    root = project(tmp_path / "project", kept=("joint", "swin_rgb", "swin_flow"))
    write_folder(tmp_path / "clips")
    made = command(root, "mgbench", "edition", "new", "own", "--from", str(tmp_path / "clips"))
    assert "3 classes" in made.stdout
    assert "wrote params.own.yaml: joint, swin_rgb, swin_flow\n" in made.stdout
    checked = command(root, "mgbench", "data", "check", "own").stdout
    assert "ok    train: 6 videos, 12 clips" in checked
    command(root, "mgbench", "preset", "use", "own")
    briefly(root)
    for video in ("videos/train5.mp4", "videos/test1.mp4"):
        (tmp_path / "clips" / video).write_bytes(b"damaged on its way")
    failed = command(root, "dvc", "repro", "index@own", check=False)
    assert failed.returncode != 0
    assert failed.stderr.count("not a readable video") == 2
    assert "list a video under editions.own.excluded" in failed.stderr
    change(root, ("editions", "own"), {"excluded": ["videos/train5.mp4", "videos/test1.mp4"]})
    command(root, "dvc", "repro")
    assert not (root / "data/raw/mimic").exists()
    with (root / "submissions/final/prediction.csv").open(newline="") as file:
        header, *rows = list(csv.reader(file))
    assert header == ["Id", "Target"]
    assert [row[0] for row in rows] == [f"test{k}-{part}" for k in range(4) for part in (0, 1)]
    assert {row[1] for row in rows} <= {"0", "1", "2"}
    note = json.loads((root / "submissions/final/submission.json").read_text("utf-8"))
    assert note["excluded"] == ["test1-0", "test1-1"]
    assert {row[1] for row in rows if row[0].startswith("test1-")} == {str(note["excluded_label"])}
    page = (root / "RESULTS.md").read_text("utf-8")
    assert page.count("| 05 | convex |") == 1, "validation only: nobody knows test"
    assert (root / "reports/data/own/report.html").is_file()
    (tmp_path / "new").mkdir()
    for k in (0, 2):
        shutil.copy(tmp_path / f"clips/videos/test{k}.mp4", tmp_path / "new")
    command(root, "mgbench", "predict", str(tmp_path / "new"), "--with", "swin_rgb", "--window",
            "0.5", "--threshold", "0", "--out", "seen")  # fmt: skip
    with (root / "seen/segments.csv").open(newline="") as file:
        videos = {Path(row["video"]).name for row in csv.DictReader(file)}
    assert videos == {"test0.mp4", "test2.mp4"}
    assert (root / "seen/test0/segments.eaf").is_file()


def test_skeletons_without_videos_or_validation_go_all_the_way_by_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_clips, "SPLITS", {"train": 6, "test": 4})
    root = project(tmp_path / "project", kept=("joint", "limb", "rgb", "rgb_joint", "swin_rgb"))
    clips = write_skeletons(tmp_path / "clips")
    made = command(root, "mgbench", "edition", "new", "own", "--from", str(clips))
    assert "wrote params.own.yaml: joint, limb\n" in made.stdout
    assert (
        "ok    train: 12 videos, 12 clips"
        in command(root, "mgbench", "data", "check", "own").stdout
    )
    command(root, "mgbench", "preset", "use", "own")
    assert read_params(root / "params.yaml").folds["own"].number == 4, "clips of a class"
    command(root, "mgbench", "edition", "folds", "own", "--number", "2")
    briefly(root)
    ran = command(root, "dvc", "repro")
    assert "no hardest.png: skeleton (skeleton) stores no frames" in ran.stderr
    assert "no clips that play: edition own has no videos" in ran.stderr
    report = (root / "reports/report.html").read_text("utf-8")
    assert "None: the data set has no videos." in report
    page = (root / "RESULTS.md").read_text("utf-8")
    for row in ("joint", "limb", "convex"):
        assert f"| {row} |" in page
    assert "12 clips of 6 groups, each scored out of fold" in page
    best = command(root, "mgbench", "best").stdout
    assert best[best.index("## Best") :].strip() in page
    assert (root / "reports/data/own/report.html").is_file()
    assert len((root / "submissions/final/prediction.csv").read_text("utf-8").splitlines()) == 9
