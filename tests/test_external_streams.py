"""Scores of another program stand in the table beside our own experiments."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path

import numpy as np
import pytest

from benchmark.contracts.predictions import read_probabilities
from tiny_project import change, command, copied, ran

pytestmark = pytest.mark.slow


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A finished project whose params name two dumps, of what its joint network predicts."""
    root = copied(finished, tmp_path / "p")
    (root / "scores").mkdir()
    for split in ("val", "test"):
        found = read_probabilities(root / f"predictions/experiments/joint/{split}.parquet")
        order = np.random.default_rng(0).permutation(len(found))
        rows = [{"pred_score": found.p[k], "frame_dir": found.clip_id[k]} for k in order]
        (root / f"scores/{split}.pkl").write_bytes(pickle.dumps(rows))
    files = {"val": "scores/val.pkl", "test": "scores/test.pkl"}
    change(
        root, ("external",), {"mine": {"edition": "mimic", **files, "head": None, "logits": False}}
    )
    pair = {"edition": "mimic", "members": ["joint", "mine"], "temperature": "none",
            "rule": {"kind": "uniform"}}  # fmt: skip
    change(root, ("fusions",), {"twins": pair})
    rows = [{"name": name, "source": name} for name in ("joint", "mine", "twins")]
    change(root, ("table",), {"rows": rows, "subsets": ["joint", "mine"]})
    return root


def test_an_external_stream_is_a_row_and_a_member_like_any_other(project: Path) -> None:
    stages = ran(project, "table")
    assert {"import_scores@mine", "fuse@twins", "table"} <= {*stages}
    assert not [stage for stage in stages if stage.startswith("train@")]
    with (project / "reports/table/table.csv").open() as file:
        top1 = {(row["split"], row["name"]): row["top1"] for row in csv.DictReader(file)}
    for split in ("val", "test"):
        assert top1[split, "joint"] == top1[split, "mine"] == top1[split, "twins"]
    assert ran(project, "table") == []
    (project / "scores/val.pkl").write_bytes((project / "scores/test.pkl").read_bytes())
    done = command(project, "dvc", "repro", "table", check=False)
    assert done.returncode != 0
    assert "scores/val.pkl: " in done.stderr
    assert "clip(s) missing" in done.stderr


def test_a_video_is_not_predicted_with_scores_of_another_program(project: Path) -> None:
    video = next((project / "data/raw/mimic").rglob("*.mp4"))
    done = command(project, "mgbench", "predict", str(video), "--with", "twins", check=False)
    assert "'twins' needs mine: scores of another program, not a network" in done.stderr
