"""Three people walk through what they need: with scores, with iMiGUE, with own videos."""

from __future__ import annotations

import csv
import pickle
import re
import shlex
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmark.challenges.challenge import published_ids, read_challenge
from benchmark.contracts.clips import Clips, write_clips
from benchmark.editions.edition import read_edition
from benchmark.params.params import read_params
from conftest import REPO, a_clip, mgbench
from test_own_clips import briefly
from tiny_project import command, project

IMIGUE = read_edition("imigue")


def said(folder: Path, *words: str) -> str:
    done = mgbench(folder, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def refused(folder: Path, *words: str) -> str:
    done = mgbench(folder, *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.slow
def test_a_participant_goes_from_two_dumps_to_a_checked_submission(tmp_path: Path) -> None:
    """Scores of two programs on iMiGUE: val with labels, test in the leaderboard's order."""
    rng = np.random.default_rng(0)
    val = [f"{video:04d}_{k}" for video in range(10) for k in range(30)]
    test = published_ids(read_challenge("miga2025"))
    label = rng.integers(0, 32, len(val))
    index = tmp_path / "data/imigue/clips.parquet"
    index.parent.mkdir(parents=True)
    clips = [a_clip(c, split="val", label=int(k)) for c, k in zip(val, label, strict=True)]
    tests = [a_clip(clip, split="test", label=None) for clip in test]
    write_clips(Clips("imigue", (a_clip("9000_0"), *clips, *tests)), index, IMIGUE)
    for name, skill in (("rgb", 2.5), ("pose", 1.5)):
        for split, ids in (("val", val), ("test", test)):
            logits = rng.normal(size=(len(ids), 32))
            if split == "val":
                logits[np.arange(len(ids)), label] += skill
            p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            rows = [{"pred_score": p[k], "frame_dir": ids[k]} for k in rng.permutation(len(ids))]
            (tmp_path / f"{name}_{split}.pkl").write_bytes(pickle.dumps(rows))
            said(tmp_path, "scores", "import", f"{name}_{split}.pkl", "--edition", "imigue",
                 "--split", split, "--name", name, "--out", f"{name}_{split}.parquet")  # fmt: skip
    told = said(tmp_path, "fuse", "rgb_val.parquet", "pose_val.parquet", "--fit", "convex",
                "--out", "both_val.parquet")  # fmt: skip
    assert "fitted on other videos" in told
    assert "300 clips of 10 videos" in said(tmp_path, "evaluate", "both_val.parquet")
    verdict = said(tmp_path, "compare", "both_val.parquet", "pose_val.parquet")
    assert "A is significantly better" in verdict
    said(tmp_path, "fuse", "rgb_test.parquet", "pose_test.parquet", "--fitted",
         "both_val.weights.json", "--out", "both_test.parquet")  # fmt: skip
    written = said(tmp_path, "submit", "write", "both_test.parquet", "--edition", "miga2025",
                   "--out", "submissions/both")  # fmt: skip
    assert "4562 clips, checked" in written
    archive = tmp_path / "submissions/both/prediction.zip"
    assert zipfile.ZipFile(archive).namelist() == ["prediction.csv"]
    assert "valid for miga2025" in said(
        tmp_path, "submit", "check", str(archive), "--edition", "miga2025"
    )


@pytest.fixture
def student(tmp_path: Path) -> Path:
    for name in ("params.yaml", "dvc.yaml", ".dvcignore"):
        shutil.copy(REPO / name, tmp_path)
    shutil.copytree(REPO / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    for package in ("benchmark", "pipelines", "submission", "editions"):
        (tmp_path / package).symlink_to(REPO / package)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.slow
def test_a_student_gets_from_the_paper_to_what_the_own_card_and_archives_allow(
    student: Path,
) -> None:
    """The paper's preset without flow, depth and Micro-Action 52; a slip in params.yaml; back."""
    said(student, "preset", "use", "paper")
    missing = refused(student, "weights", "check")
    missing += mgbench(student, "weights", "check").stdout
    for words in ("MemFlowNet_things.pth: missing", "https://", "MB, "):
        assert words in missing
    gone = said(student, "experiment", "remove", "swin_flow", "swin_depth", "swin_ma52",
                "swin_rgb_star")  # fmt: skip
    assert "modalities that nothing trains on" in gone
    params = read_params(student / "params.yaml")
    assert not {"flow", "depth"} & {*params.modalities}
    assert [*params.editions] == ["imigue"]
    assert "MemFlow" not in mgbench(student, "weights", "check").stdout
    assert all(line.endswith("never run") for line in said(student, "status").splitlines()[:-1])
    path = student / "params.yaml"
    path.write_text(path.read_text("utf-8").replace("epochs: 24", "epochs: twenty"), "utf-8")
    assert "line " in refused(student, "experiment", "list")
    said(student, "preset", "use", "default")
    assert path.read_bytes() == (REPO / "params.yaml").read_bytes()
    assert "no results yet" in said(student, "results")


@pytest.mark.slow
def test_a_psychologist_gets_from_three_videos_to_a_table_of_gestures(tmp_path: Path) -> None:
    """Every command of docs/three-videos.md, in its order; trainings are shortened."""
    page = (REPO / "docs/three-videos.md").read_text("utf-8")
    lines = "".join(re.findall(r"```bash\n(.*?)```", page, re.S)).splitlines()
    assert lines[-1].startswith("mgbench predict visits")
    swins = [f"swin_{name}" for name in ("rgb", "rgb_star", "taylor", "flow", "depth")]
    root = project(tmp_path / "project", kept=tuple(swins))
    for line in lines:
        command(root, *shlex.split(line))
        if line.startswith("mgbench experiment remove"):
            briefly(root)
    with (root / "talks/clips.csv").open(newline="") as file:
        clips = list(csv.DictReader(file))
    assert {clip["split"]: clip["subject"] for clip in clips}.keys() == {"train", "val", "test"}
    gestures = {clip["label"] for clip in clips}
    assert {"nothing", "rub hands"} <= gestures
    with (root / "seen/gestures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["person"], row["class"]) for row in rows} == {
        (person, gesture) for person in ("dora", "emil") for gesture in gestures
    }
    assert (root / "seen/dora/monday/annotated.mp4").is_file()
