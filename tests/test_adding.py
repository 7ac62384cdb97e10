"""The examples of docs/adding.md do what the page says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import Field
from ruamel.yaml import YAML

from benchmark.challenges import challenge as challenges
from benchmark.core.schema import Strict
from benchmark.models.network import build
from benchmark.params.params import read_params
from conftest import REPO, copy_code
from submission.leaderboard.columns import Wanted
from submission.leaderboard.writer import write_submission
from submissions import IDS, MADE_OF, sure

TEXT = (REPO / "docs/adding.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.S)


def block(kind: str, start: str) -> str:
    (found,) = (text for of, text in BLOCKS if of == kind and text.startswith(start))
    return found


def defined(start: str) -> dict[str, Any]:
    """What the block of Python defines, among what its file imports."""
    known: dict[str, Any] = {
        "np": np, "NDArray": NDArray, "Strict": Strict, "Literal": Literal, "Annotated": Annotated,
        "Field": Field,
    }  # fmt: skip
    exec(compile(block("python", start), "adding.md", "exec", dont_inherit=True), known)
    return known


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

from benchmark.contracts.clips import Clip, Clips
from benchmark.contracts.predictions import Probabilities, check_probabilities
from benchmark.params.params import read_params
from submission.fusion.fit import fit_fusion
from submission.fusion.fitted import read_fitted, write_fitted
from submission.fusion.fuse import apply

fusion = read_params(Path("params.yaml")).fusions["sharp"]
assert fusion.rule.power == 2.0
rng, classes = np.random.default_rng(0), tuple("abcde")
clips = Clips("mimic", tuple(
    Clip(f"v{k // 4}_{k}", f"v{k // 4}", None, "val", k % 5, 0, 10, 25.0, 320, 180, False)
    for k in range(12)
))
p = rng.dirichlet(np.ones(5), (2, 12)).astype(np.float32)
p[1] = np.eye(5)[p[1].argmax(1)]
members = [
    Probabilities("mimic", "val", name, classes, tuple(clips.ids), rows)
    for name, rows in zip(fusion.members, p)
]
write_fitted(fit_fusion(fusion.rule, fusion.temperature, members, clips), Path("weights.json"))
fitted = read_fitted(Path("weights.json"))
sure, unsure = fitted.weights[fusion.members[1]], fitted.weights[fusion.members[0]]
np.testing.assert_allclose(unsure / sure, p[0].max(1).astype(float).mean() ** 2)
check_probabilities(apply(fitted, members, source="sharp"), where="fused")
"""


def test_the_fusion_rule_is_read_fitted_and_applied(tmp_path: Path) -> None:
    root = copy_code(tmp_path)
    rules = root / "submission/fusion/rules"
    text = block("python", '"""Weights by confidence: surer members count more."""')
    (rules / "sharpest.py").write_text(text, "utf-8")
    union = (rules / "union.py").read_text("utf-8")
    first = "from submission.fusion.rules.stacking import Stacking\n"
    union = union.replace(first, "from submission.fusion.rules.sharpest import Sharpest\n" + first)
    (rules / "union.py").write_text(union.replace("Uniform |", "Uniform | Sharpest |"), "utf-8")
    yaml = YAML()
    params = yaml.load(REPO / "params.yaml")
    params["fusions"]["sharp"] = {
        "edition": "mimic", "members": ["joint", "limb"], "temperature": "none",
        "rule": {"kind": "sharpest", "power": 2.0},
    }  # fmt: skip
    yaml.dump(params, root / "params.yaml")
    done = subprocess.run(
        [sys.executable, "-c", FUSE], cwd=root, env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_kind_of_media_gives_as_many_pictures_as_frames() -> None:
    extraction = defined("class Difference")["Difference"]()
    frames = np.random.default_rng(0).integers(0, 255, (5, 4, 6, 3)).astype(np.uint8)
    made = [*(out for frame in frames for out in extraction.add(frame)), *extraction.finish()]
    assert len(made) == len(frames)
    assert (made[0] == 128).all()
    moved = frames[2].astype(int) - frames[1]
    np.testing.assert_array_equal(made[2], np.clip(128 + moved, 0, 255))


def test_every_block_is_tested() -> None:
    source = Path(__file__).read_text("utf-8")
    for _, text in BLOCKS:
        start = text.split("(")[0].splitlines()[0].rstrip(":")
        assert start in source, start
