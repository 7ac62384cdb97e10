"""Preset `masked`, tiny: windows with test videos, pre-training, fine-tuning, and the mark."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmark.contracts.predictions import read_probabilities
from benchmark.params.params import read_params
from benchmark.weights.model_folder import read_metadata
from conftest import REPO
from tiny_project import TINY, change, copied, ran

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project after a change to preset `masked`: its archive and its index are kept."""
    root = tmp_path_factory.mktemp("masked") / "project"
    copied(finished, root)
    shutil.copy(REPO / "benchmark/presets/masked.yaml", root / "params.yaml")
    for keys in (("synthetic", "mimic"), ("previews", "mimic"), ("analysis",), ("table",)):
        change(root, keys, TINY[keys])
    change(root, ("windows", "whole_videos"), {"stride": 32, "splits": ["train", "test"]})
    short = {"epochs": 2, "warmup_epochs": 0.5}
    change(root, ("pretraining", "masked", "recipe"), short)
    change(root, ("pretraining", "masked"), {"pictures": 2})
    change(root, ("recipes", "vit_small"), {"epochs": 1, "warmup_epochs": 0.5})
    assert "synthesize@mimic" not in ran(root)
    return root


def test_fine_tuning_starts_from_the_encoder_and_drops_the_decoder(root: Path) -> None:
    started = read_metadata(root / "models/vit_masked").init_from
    assert started.startswith("masked: tensors: ")
    assert "of the file not used" in started
    assert read_metadata(root / "models/vit_scratch").init_from == "scratch"


def test_windows_of_test_videos_mark_all_that_comes_after(root: Path) -> None:
    assert read_metadata(root / "models/vit_masked").transductive
    assert not read_metadata(root / "models/vit_scratch").transductive
    of = {
        name: read_probabilities(root / "predictions" / name / "test.parquet").transductive
        for name in ("experiments/vit_masked", "experiments/vit_scratch", "fusions/uniform")
    }
    assert of == {
        "experiments/vit_masked": True, "experiments/vit_scratch": False, "fusions/uniform": True,
    }  # fmt: skip
    submission = json.loads((root / "submissions/final/submission.json").read_text("utf-8"))
    assert not read_params(root / "params.yaml").submissions["final"].transductive
    assert submission["ingredients"]["transductive"] is True


def test_the_loss_falls_and_the_report_shows_curve_and_pictures(root: Path) -> None:
    folder = root / "reports/experiments/masked"
    header, *rows = (folder / "history.csv").read_text("utf-8").split()
    assert header == "epoch,train/loss,lr"
    losses = [float(row.split(",")[1]) for row in rows]
    assert losses[1] < losses[0]
    page = (root / "reports/report.html").read_text("utf-8")
    assert "Masked pre-training" in page
    assert "masked: windows whole" in page


def test_the_run_is_in_mlflow_with_its_pictures(root: Path) -> None:
    (record,) = json.loads((root / "runs/pretrain-masked.json").read_text("utf-8"))["runs"]
    assert record["name"] == "pretrain@masked"
    assert "reports/experiments/masked/reconstructions.png" in record["artifacts"]
