"""A copy of the project, small enough to run from scratch in minutes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmark.params.params import read_params
from benchmark.presets.edit import keep_experiments, read_document, write_document
from conftest import REPO
from warm import programs

PARAMS = read_params(REPO / "params.yaml")
TINY = {
    ("synthetic", "mimic"): {
        "train_clips": 24, "val_clips": 12, "test_clips": 12,
        "train_people": 4, "val_people": 2, "test_people": 2,
    },
    ("previews", "mimic"): {"moments": 2},
    ("analysis",): {"hardest": 3},
    ("recipes", "pose_small"): {"epochs": 2},
    ("recipes", "graph_small"): {"epochs": 2, "warmup_epochs": 0.5, "group_loss": 0.5},
    ("experiments", "graph_joint"): {"head": "groups"},
    ("recipes", "rgb_small"): {"epochs": 1, "warmup_epochs": 0.5},
    ("recipes", "rgb_pose_small"): {"epochs": 1, "warmup_epochs": 0.5},
    ("recipes", "swin_small"): {"epochs": 1, "warmup_epochs": 0.5},
    ("table",): {"resamples": 200},
}  # fmt: skip
KEPT = ("joint", "rgb", "rgb_joint", "swin_rgb", "graph_joint")
"""Experiments of the fixture `done`: every kind of input, from the zoo and from merged weights."""
ROWS = [
    row.name
    for row in PARAMS.table.rows
    if {row.source, *(row.members or ())} - {None} <= {*KEPT, *PARAMS.fusions}
]
OPTIONAL = ("lightning", "ptlflow", "torchmetrics", "transformers")
"""Optional packages that these projects lack, as those of most users do."""
CODE = (
    "benchmark",
    "pipelines",
    "submission",
    "editions",
    "dvc.yaml",
    "params.yaml",
    ".dvcignore",
    ".gitignore",
)


def python_path() -> list[str]:
    """Folders that whoever runs the tests has named, as for a Ray that lies elsewhere."""
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]


def command(
    root: Path, *arguments: str, check: bool = True, cold: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a program in the project; unless `cold`, its stages and `mgbench` start by fork."""
    bin_folder = Path(sys.executable).parent
    path = [*([] if cold else [str(programs())]), str(bin_folder), os.environ["PATH"]]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": os.pathsep.join([str(root), *python_path()]),
        "NUMBA_CACHE_DIR": str(root / ".numba"),
    }
    done = subprocess.run(
        arguments, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def change(root: Path, keys: tuple[str, ...], values: dict[str, Any]) -> None:
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    section = params
    for key in keys:
        section = section[key]
    section.update(values)
    yaml.dump(params, root / "params.yaml")


def keep_only(root: Path, kept: tuple[str, ...]) -> None:
    """Remove all experiments but `kept` from params.yaml; the modalities stay, to be looked at."""
    params = read_params(root / "params.yaml")
    document, whole = (read_document(root / "params.yaml") for _ in range(2))
    keep_experiments(document, params, kept)
    for section in ("modalities", "previews"):
        document[section] = whole[section]
    write_document(document, root / "params.yaml")


def project(root: Path, *, kept: tuple[str, ...]) -> Path:
    root.mkdir(parents=True)
    for name in CODE:
        source = REPO / name
        if source.is_dir():
            shutil.copytree(source, root / name)
        else:
            shutil.copy(source, root / name)
    shutil.copytree(REPO / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    for name in OPTIONAL:
        (root / f"{name}.py").write_text(f'raise ImportError("no {name} here")\n', "utf-8")
    for keys, values in TINY.items():
        change(root, keys, values)
    keep_only(root, kept)
    command(root, "git", "init", "-q")
    # The zoo hardly compresses.
    command(root, "git", "config", "core.compression", "0")
    command(root, "git", "add", "-A")
    command(root, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "tiny")
    return root


def copied(finished: Path, to: Path) -> Path:
    """Copy a finished project, without what another test is writing into it at this moment."""
    unfinished = shutil.ignore_patterns("*.part")
    return Path(shutil.copytree(finished, to, symlinks=True, ignore=unfinished))


def ran(root: Path, *targets: str) -> list[str]:
    """Run `dvc repro` of `targets`, or of all stages, and return the stages that it ran."""
    out = command(root, "dvc", "repro", *targets).stdout
    return [line.split("'")[1] for line in out.splitlines() if line.startswith("Running stage")]
