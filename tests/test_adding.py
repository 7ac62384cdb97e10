"""The examples of docs/adding.md do what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from benchmark.challenges import challenge as challenges
from benchmark.contracts.clips import read_clips
from benchmark.data.readers import PackedVideos
from benchmark.editions.edition import read_edition
from benchmark.models.network import build
from benchmark.params.params import read_params
from conftest import REPO, copy_code
from submission.leaderboard.columns import Wanted
from submission.leaderboard.writer import write_submission
from submissions import IDS, MADE_OF, sure
from tiny_project import change, command, copied

TEXT = (REPO / "docs/adding.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.S)


def block(kind: str, start: str) -> str:
    (found,) = (text for of, text in BLOCKS if of == kind and text.startswith(start))
    return found


def add(root: Path, module: str, union: str, name: str, *, text: str) -> None:
    """Add a module of the page to a copy of the code, and its class's name to a union."""
    (root / module).write_text(text, "utf-8")
    dotted = module.removesuffix(".py").replace("/", ".")
    source = (root / union).read_text("utf-8")
    last = source.rindex("\nfrom ") + 1
    source = f"{source[:last]}from {dotted} import {name}\n{source[last:]}"
    (root / union).write_text(re.sub(r"(\w+)\s+\|", rf"\1 | {name} |", source, count=1), "utf-8")


def test_the_experiment_is_taken_builds_and_answers(tmp_path: Path) -> None:
    yaml = YAML()
    params = yaml.load(REPO / "params.yaml")
    own = YAML(typ="safe").load(block("yaml", "x3d:"))["x3d"]
    params["experiments"]["x3d"] = own
    params["experiments"]["x3d_seed2"] = {**own, "seed": 2}
    params["table"]["rows"].append({"name": "X3D", "source": "x3d", "repeats": ["x3d_seed2"]})
    yaml.dump(params, tmp_path / "params.yaml")
    spec = read_params(tmp_path / "params.yaml").experiments["x3d"]
    model = build(spec.backbone, spec.input, None, num_classes=32)
    frames = torch.randint(0, 255, (2, 8, 48, 48, 3), dtype=torch.uint8)
    assert model((frames,)).shape == (2, 1, 32)


TRAIN = """
import sys
from pathlib import Path

from benchmark.params.params import read_params

experiment = read_params(Path("params.yaml")).experiments["tiny"]
assert experiment.backbone.channels == (16, 32)
assert "torch" not in sys.modules, "reading params.yaml takes no torch"

import torch

from benchmark.models.network import build

model = build(experiment.backbone, experiment.input, None, num_classes=5)
shape = (2, experiment.input.frames, experiment.input.size, experiment.input.size, 3)
logits = model((torch.randint(0, 256, shape, dtype=torch.uint8),))
assert logits.shape == (2, 1, 5)
before = {name: x.clone() for name, x in model.named_parameters()}
logits.square().sum().backward()
torch.optim.SGD(model.parameters(), lr=0.1).step()
assert all((x != before[name]).any() for name, x in model.named_parameters())
assert {name.split(".")[0] for name in model.state_dict()} == {"backbone", "cls_head"}
"""


@pytest.mark.slow
def test_the_backbone_is_read_built_and_trained(tmp_path: Path) -> None:
    root = copy_code(tmp_path)
    text = block("python", '"""A few 3-D convolutions over any volume."""')
    union = "benchmark/models/union.py"
    add(root, "benchmark/models/tiny_conv3d.py", union, "TinyConv3d", text=text)
    yaml = YAML()
    params = yaml.load(REPO / "params.yaml")
    params["experiments"]["tiny"] = params["experiments"]["rgb"] | {
        "init_from": "scratch",
        "backbone": {"kind": "tiny_conv3d", "channels": [16, 32], "dropout": 0.5},
    }
    yaml.dump(params, root / "params.yaml")
    run_python(root, TRAIN)


def test_the_challenge_gets_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "challenges"
    shutil.copytree(challenges.FOLDER, folder)
    (folder / "ours.yaml").write_text(block("yaml", "name: ours"), "utf-8")
    monkeypatch.setattr(challenges, "FOLDER", folder)
    challenge = challenges.read_challenge("ours")
    write_submission(sure(IDS, [0, 5, 31]), Wanted(IDS), challenge, MADE_OF, tmp_path / "out")
    text = (tmp_path / "out/predictions.csv").read_text("utf-8")
    assert text == (
        "clip,first,second,part\n0201_3.mp4,1,2,1\n0201_11.mp4,6,7,2\n0200_7.mp4,32,1,6\n"
    )


FUSE = """
from pathlib import Path

import numpy as np

from benchmark.contracts.labels import Labels
from benchmark.contracts.predictions import Probabilities, check_probabilities
from benchmark.params.params import read_params
from submission.fusion.fit import fit_fusion
from submission.fusion.fitted import read_fitted, write_fitted
from submission.fusion.fuse import apply

fusion = read_params(Path("params.yaml")).fusions["sharp"]
assert fusion.rule.power == 2.0
rng, classes = np.random.default_rng(0), tuple("abcde")
ids, videos = tuple(f"v{k // 4}_{k}" for k in range(12)), tuple(f"v{k // 4}" for k in range(12))
truth = Labels("mimic", "val", ids, videos, np.arange(12) % 5)
p = rng.dirichlet(np.ones(5), (2, 12)).astype(np.float32)
p[1] = np.eye(5)[p[1].argmax(1)]
members = [
    Probabilities("mimic", "val", name, classes, ids, rows)
    for name, rows in zip(fusion.members, p)
]
write_fitted(fit_fusion(fusion.rule, fusion.temperature, members, truth), Path("weights.json"))
fitted = read_fitted(Path("weights.json"))
sure, unsure = fitted.weights[fusion.members[1]], fitted.weights[fusion.members[0]]
np.testing.assert_allclose(unsure / sure, p[0].max(1).astype(float).mean() ** 2)
check_probabilities(apply(fitted, members, source="sharp"), where="fused")
"""


def test_the_fusion_rule_is_read_fitted_and_applied(tmp_path: Path) -> None:
    root = copy_code(tmp_path)
    text = block("python", '"""Weights by confidence: surer members count more."""')
    rules = "submission/fusion/rules"
    add(root, f"{rules}/sharpest.py", f"{rules}/union.py", "Sharpest", text=text)
    yaml = YAML()
    params = yaml.load(REPO / "params.yaml")
    params["fusions"]["sharp"] = {
        "edition": "mimic", "members": ["joint", "limb"], "temperature": "none",
        "rule": {"kind": "sharpest", "power": 2.0},
    }  # fmt: skip
    yaml.dump(params, root / "params.yaml")
    run_python(root, FUSE)


@pytest.mark.slow
def test_the_modality_is_packed_trained_on_shown_and_made(finished: Path, tmp_path: Path) -> None:
    root = copied(finished, tmp_path / "project")
    text = block("python", '"""Difference: each frame minus the one before, around gray."""')
    union = "benchmark/modalities/union.py"
    add(root, "benchmark/modalities/difference.py", union, "DifferenceModality", text=text)
    entry = YAML(typ="safe").load(block("yaml", "difference:"))["difference"]
    params = YAML().load(root / "params.yaml")
    change(root, ("modalities",), {"difference": entry})
    rgb = params["experiments"]["swin_rgb"]
    change(root, ("experiments",), {"moved": rgb | {"modality": "difference"}})
    videos = [*params["previews"]["mimic"]["videos"], "difference"]
    change(root, ("previews", "mimic"), {"videos": videos})
    command(root, "dvc", "repro", "predict@moved", "previews@mimic")
    clips = read_clips(root / "data/mimic/clips.parquet", read_edition("mimic"))
    packed = PackedVideos(root / "data/mimic/difference", clips)
    still = packed.read(clips.ids[0], np.array([0]))[0]
    assert np.abs(still.astype(int) - 128).max() < 12, "nothing moved before the first frame"
    assert (root / "models/moved/weights.safetensors").is_file()
    assert (root / "reports/experiments/moved/metrics.json").is_file()
    pages = sorted((root / "reports/modalities/mimic").glob("*.png"))
    assert (
        cv2.imread(str(pages[0])).shape
        > cv2.imread(str(finished / "reports/modalities/mimic" / pages[0].name)).shape
    ), "a row more"
    video = next((root / "data/raw/mimic").rglob("*.mp4"))
    made = root / "difference.npz"
    command(root, "mgbench", "modality", "make", "difference", str(video), "--out", str(made))
    frames = np.load(made)["frames"]
    assert (frames[0] == 128).all()
    assert (frames[1:] != 128).any()
    known = command(root, "mgbench", "modality", "make", "x", str(made), "--out", "b", check=False)
    assert "difference" in known.stderr.partition("not one of")[2]


READ = """
from pathlib import Path

import numpy as np

from benchmark.archives.union import archive_module, open_archive
from benchmark.core.errors import ManyFaults
from benchmark.core.video import write_video
from benchmark.data.readers import PackedVideos
from benchmark.editions.edition import read_edition
from benchmark.modalities.rgb import RgbModality

if __name__ == "__main__":
    root, edition = Path("raw"), read_edition("flat")
    assert archive_module("flat") == "benchmark.archives.flat"
    for number, split in enumerate(("train", "train", "val", "test")):
        frames = np.full((6, 96, 128, 3), 40 * (number + 1), np.uint8)
        write_video(root / f"videos/{split}-{number % 2}-{number}.mp4", frames, 25, crf=8, gop=6)
    clips = open_archive(root, edition).read(excluded=(), workers=1)
    labels = {clip.clip_id: clip.label for clip in clips}
    assert labels == {"train-0-0": 0, "train-1-1": 1, "val-0-2": 0, "test-1-3": None}
    spec = RgbModality(kind="rgb", edition="flat", short_side=96, gop=6, crf=8, shards=1)
    spec.prepare(root, edition, clips, Path("rgb"), workers=1)
    frames = PackedVideos(Path("rgb"), clips).read("val-0-2", np.arange(6))
    assert np.abs(frames.astype(int) - 120).max() < 6
    (root / "videos/holiday.mp4").write_bytes(b"")
    try:
        open_archive(root, edition).read(excluded=(), workers=1)
    except ManyFaults as faults:
        assert "holiday.mp4: not a clip" in str(faults), faults
    else:
        raise AssertionError("a foreign file is a clip")
"""


def test_the_data_set_is_indexed_and_packed(tmp_path: Path) -> None:
    root = copy_code(tmp_path)
    text = block("python", '"""Flat: one folder of videos named `<split>-<label>-<number>.mp4`')
    add(root, "benchmark/archives/flat.py", "benchmark/archives/union.py", "Flat", text=text)
    edition = YAML(typ="safe").load(REPO / "benchmark/editions/ma52.yaml")
    edition |= {"name": "flat", "dataset": "flat", "withheld": ["test"], "counts": None}
    edition |= {"ids": None, "label_counts": None}
    YAML().dump(edition, root / "benchmark/editions/flat.yaml")
    (root / "raw/videos").mkdir(parents=True)
    run_python(root, READ)


def run_python(root: Path, code: str) -> None:
    (root / "script.py").write_text(code, "utf-8")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=root, env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_every_block_is_tested() -> None:
    source = Path(__file__).read_text("utf-8")
    for _, text in BLOCKS:
        start = re.split(r"[(,]", text.splitlines()[0])[0].rstrip(":")
        assert start in source, start
