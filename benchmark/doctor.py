"""What this machine and project have, what they lack, and the one command that mends it."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
from contextlib import closing
from importlib.metadata import PackageNotFoundError, distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from benchmark.core.errors import BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark.params.params import Params
    from benchmark.weights.catalogue import Level

GIB = 2**30
DISK_GIB = 20
"""The default edition with its environment takes 9; a full-size one takes hundreds."""
SLOW_TORCH = ("2.9.",)
"""Releases whose 3-D convolutions are several times slower (pytorch#166122)."""
NEEDED = ("torch", "torchvision", "mlflow", "dvc", "decord", "av", "mmaction2", "timm")
EXTRAS = {
    "mediapipe": ("skeletons from video", "see docs/skeletons-from-video.md"),
    "ptlflow": ("optical flow by MemFlow", "make extras"),
    "transformers": ("depth by Depth Anything", "make extras"),
    "kaggle": ("mgbench submit upload", "make extras"),
}
"""Optional packages, what they are for and what installs them."""


class Finding(NamedTuple):
    """One line of the doctor's."""

    level: Level
    what: str
    text: str
    do: str = ""
    """What mends it; empty where nothing needs mending."""


def machine() -> Iterator[Finding]:
    """Python, processor, memory, disk, GPU."""
    right = sys.version_info[:2] == (3, 11)
    mend = "" if right else "make PYTHON=python3.11 reproduce"
    yield Finding("ok" if right else "fault", "Python", platform.python_version(), mend)
    memory = psutil.virtual_memory().total / GIB
    yield Finding("ok", "machine", f"{os.cpu_count()} cores, {memory:.0f} GiB memory")
    free = shutil.disk_usage(Path.cwd()).free / GIB
    level, mend = ("ok", "") if free >= DISK_GIB else ("note", "free some, or 'dvc gc -w'")
    yield Finding(level, "disk", f"{free:.0f} GiB free here", mend)
    yield _gpu()


def _gpu() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("note", "GPU", f"torch does not load ({error})")
    if not torch.cuda.is_available():
        text = "none that torch sees: the default edition needs none, full-size recipes do"
        return Finding("note", "GPU", text)
    metadata = [torch.cuda.get_device_properties(k) for k in range(torch.cuda.device_count())]
    text = ", ".join(
        f"{metadata.name} ({metadata.total_memory / GIB:.0f} GiB)" for metadata in metadata
    )
    return Finding("ok", "GPU", text)


def packages() -> Iterator[Finding]:
    """What must be installed, what clashes, and what is optional."""
    for name in NEEDED:
        found = _version(name)
        mend = "" if found else "make reproduce"
        yield Finding("ok" if found else "fault", name, found or "not installed", mend)
    if _version("torch").startswith(SLOW_TORCH):
        mend = "pip install --no-deps -r requirements.lock"
        yield Finding("fault", "torch", "this release is slow in 3-D convolutions", mend)
    doubled = sorted({name for name in _names() if name.startswith("opencv")})
    if len(doubled) > 1:
        mend = f"pip uninstall {' '.join(doubled)}; pip install --no-deps -r requirements.lock"
        yield Finding("fault", "OpenCV", f"installed {len(doubled)} times over", mend)
    yield _decoder()
    for name, (use, mend) in EXTRAS.items():
        if find_spec(name) is not None:
            yield Finding("ok", name, f"installed, for {use}")
        else:
            yield Finding("note", name, f"not installed; only for {use}", mend)


def _decoder() -> Finding:
    """Whether a video survives being written and read."""
    import tempfile

    import numpy as np

    try:
        from benchmark.core.video import read_frames, write_video

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "test.mp4")
            write_video(path, [np.full((32, 32, 3), 99, np.uint8)] * 4, 25, crf=18, gop=4)
            count = sum(1 for _ in read_frames(path))
    except (BenchmarkError, OSError, ImportError, RuntimeError) as error:
        return Finding(
            "fault", "video", f"H.264 cannot be written and read ({error})", "make reproduce"
        )
    right = count == 4
    return Finding(
        "ok" if right else "fault", "video", f"H.264 written and read: {count} of 4 frames"
    )


def project(root: Path, params: Params) -> Iterator[Finding]:
    """Git, DVC's remote, MLflow's store, data sets and weights of one project."""
    from benchmark.weights.catalogue import pinned_state, weights_files

    git = shutil.which("git") is not None
    yield Finding(
        "ok" if git else "fault", "Git", "there" if git else "missing", "" if git else "install git"
    )
    yield _store(root)
    for name in params.editions:
        yield _data_set(root, name, made=name in {**params.synthetic, **params.synthetic_ma52})
    yield from _leftovers(root, params)
    for where, file in weights_files(params):
        state = pinned_state(file)
        mend = "" if state.level == "ok" else "mgbench weights check"
        yield Finding(state.level, where, state.text, mend)


def _leftovers(root: Path, params: Params) -> Iterator[Finding]:
    """Probabilities that no entry makes any more: the table's stage sees them as a change."""
    for kind, known in (("experiments", params.experiments), ("fusions", params.fusions)):
        folder = root / "predictions" / kind
        for left in sorted(folder.iterdir()) if folder.is_dir() else []:
            if left.name not in known:
                text = f"{left.relative_to(root)} is of no entry of params.yaml"
                yield Finding("note", "leftover", text, f"rm -r {left.relative_to(root)}")


def _store(root: Path) -> Finding:
    file = root / "mlruns" / "mlflow.db"
    if server := os.environ.get("MLFLOW_TRACKING_URI"):
        return Finding("ok", "MLflow", f"runs go to {server}")
    if not file.is_file():
        return Finding("note", "MLflow", "no runs yet", "mgbench sync")
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as store:
            (runs,) = store.execute("SELECT count(*) FROM runs").fetchone()
    except sqlite3.OperationalError as error:
        return Finding("note", "MLflow", f"{file} cannot be read now ({error})")
    except sqlite3.DatabaseError as error:
        mend = f"mv {file} {file}.broken; mgbench sync"
        return Finding("fault", "MLflow", f"{file} is damaged ({error})", mend)
    return Finding("ok", "MLflow", f"{runs} runs in mlruns/mlflow.db")


def _data_set(root: Path, name: str, *, made: bool) -> Finding:
    """Whether it is there; one that is `made` comes out of a stage."""
    raw, index = root / "data/raw" / name, root / "data" / name / "clips.parquet"
    if index.is_file():
        return Finding("ok", f"data {name}", "indexed")
    if raw.exists():
        return Finding("note", f"data {name}", "not indexed yet", f"dvc repro index@{name}")
    if made:
        return Finding("note", f"data {name}", "not made yet", "dvc repro")
    page = {"imigue": "docs/imigue.md", "ma52": "docs/imigue.md"}.get(name, "docs/own-clips.md")
    return Finding("fault", f"data {name}", f"nothing at data/raw/{name}", f"see {page}")


def _names() -> list[str]:
    return [(one.metadata["Name"] or "").lower() for one in distributions()]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
