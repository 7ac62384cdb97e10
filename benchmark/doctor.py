"""What this machine and project have, what they lack, and the one command that fixes it."""

from __future__ import annotations

import configparser
import json
import os
import platform
import shlex
import shutil
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import psutil

from benchmark.contracts.clips import index_file
from benchmark.core.errors import BenchmarkError
from benchmark.core.files import braces_fault
from benchmark.core.findings import Finding
from benchmark.params.needs import missing_packages, page_of
from benchmark.runtime.seeding import is_slow_torch
from benchmark.tracking.database import DATABASE, StoreError, store_error, without_password
from benchmark.tracking.records import git, installed, user_name
from benchmark.tracking.store import URI, store_state, tracking_server

if TYPE_CHECKING:
    from benchmark.params.params import Params

GIB = 2**30
DISK_GIB = 20
"""The default edition with its environment takes 9; a full-size edition takes hundreds."""
ANSWER_SECONDS = 5
"""How long a tracking server may take to answer."""
NEEDED = ("torch", "torchvision", "mlflow", "dvc", "decord", "av", "mmaction2", "timm")
EXTRAS = {
    "mediapipe": ("skeletons from video", "see docs/skeletons-from-video.md"),
    "ptlflow": ("optical flow by MemFlow", "make extras"),
    "transformers": ("depth by Depth Anything", "make extras"),
    "onnxruntime": ("mgbench export --onnx", "make extras"),
    "kaggle": ("mgbench submit upload", "make extras"),
}
"""Optional packages, their use, and what installs them."""


def machine() -> Iterator[Finding]:
    """Check Python, processor, memory, disk and GPU."""
    right = sys.version_info[:2] == (3, 11)
    do = "" if right else "make PYTHON=python3.11 reproduce"
    yield Finding("ok" if right else "fault", platform.python_version(), "Python", do)
    memory = psutil.virtual_memory().total / GIB
    yield Finding("ok", f"{os.cpu_count()} cores, {memory:.0f} GiB memory", "machine")
    free = shutil.disk_usage(Path.cwd()).free / GIB
    level, do = ("ok", "") if free >= DISK_GIB else ("note", "free some, or 'dvc gc -w'")
    yield Finding(level, f"{free:.0f} GiB free here", "disk", do)
    yield _gpu()


def _gpu() -> Finding:
    try:
        import torch  # not at the top: the doctor must run where torch does not load
    except (ImportError, OSError) as error:
        return Finding("note", f"torch does not load ({error})", "GPU")
    if not torch.cuda.is_available():
        text = "none that torch sees: the default edition needs none, full-size recipes do"
        return Finding("note", text, "GPU")
    gpus = [torch.cuda.get_device_properties(k) for k in range(torch.cuda.device_count())]
    text = ", ".join(f"{gpu.name} ({gpu.total_memory / GIB:.0f} GiB)" for gpu in gpus)
    return Finding("ok", text, "GPU")


def packages() -> Iterator[Finding]:
    """Check the packages that must be installed, that clash, and that are optional."""
    for name in NEEDED:
        found = installed(name)
        level, do = ("ok", "") if found else ("fault", "make reproduce")
        yield Finding(level, found or "not installed", name, do)
    if is_slow_torch(installed("torch")):
        do = "pip install --no-deps -r requirements.lock"
        yield Finding("fault", "this release is slow in 3-D convolutions", "torch", do)
    # All builds of OpenCV write the same folder: the last one installed breaks the others.
    names = {(package.metadata["Name"] or "").lower() for package in distributions()}
    doubled = sorted(name for name in names if name.startswith("opencv"))
    if len(doubled) > 1:
        do = f"pip uninstall {' '.join(doubled)}; pip install --no-deps -r requirements.lock"
        yield Finding("fault", f"installed {len(doubled)} times over", "OpenCV", do)
    yield _decoder()
    for name, (use, do) in EXTRAS.items():
        if find_spec(name) is not None:
            yield Finding("ok", f"installed, for {use}", name)
        else:
            yield Finding("note", f"not installed; only for {use}", name, do)


def _decoder() -> Finding:
    """Check that a video survives being written and read."""
    import tempfile

    import numpy as np

    try:
        from benchmark.core.video import read_frames, write_video

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "test.mp4")
            write_video(path, [np.full((32, 32, 3), 99, np.uint8)] * 4, 25, crf=18, gop=4)
            count = sum(1 for _ in read_frames(path))
    except (BenchmarkError, OSError, ImportError, RuntimeError) as error:
        text = f"H.264 cannot be written and read ({error})"
        return Finding("fault", text, "video", "make reproduce")
    text = f"H.264 written and read: {count} of 4 frames"
    return Finding("ok" if count == 4 else "fault", text, "video")


def project(root: Path, params: Params) -> Iterator[Finding]:
    """Check Git, MLflow's store, data sets and weights of one project."""
    from benchmark.weights.catalogue import pinned_state, weights_files

    yield _git(root)
    if not (root / "dvc.yaml").is_file():
        yield Finding("fault", "dvc.yaml is missing", "DVC", "git checkout dvc.yaml")
    for package, kind in missing_packages(params).items():
        text = f"not installed; params.yaml has a modality with '{kind}', which needs it"
        yield Finding("fault", text, package, EXTRAS[package][1])
    yield from _place(root)
    yield from _locks(root)
    yield from _store(root)
    for name in params.editions:
        yield _data_set(root, name, made=name in {**params.synthetic, **params.synthetic_ma52})
    yield from _leftovers(root, params)
    for where, file in weights_files(params):
        state = pinned_state(file)
        do = "" if state.level == "ok" else "mgbench weights check"
        yield Finding(state.level, state.text, where, do)


def _locks(root: Path) -> Iterator[Finding]:
    # DVC does not replace its list of locks in one step: killed on the way, it leaves half a list,
    # and then refuses to start.
    file = root / ".dvc" / "tmp" / "rwlock"
    try:
        json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return
    except ValueError:
        text = f"{file.relative_to(root)} is damaged: DVC was killed while it wrote the file"
        yield Finding("fault", text, "DVC", f"rm {file.relative_to(root)}, if no dvc runs")


def _leftovers(root: Path, params: Params) -> Iterator[Finding]:
    # Probabilities that no entry makes any more. DVC counts them as a change of the table's input.
    for kind, entries in (
        ("experiments", params.streams),
        ("fusions", params.every_fusion),
        ("folds", params.fold_graph.joins),
        ("oof", params.fold_graph.joins),
    ):
        folder = root / "predictions" / kind
        for left in sorted(folder.iterdir()) if folder.is_dir() else []:
            if left.name not in entries:
                text = f"{left.relative_to(root)} belongs to no entry of params.yaml"
                yield Finding("note", text, "leftover", f"rm -r {left.relative_to(root)}")


def _git(root: Path) -> Finding:
    """Check that DVC finds a Git repository, and that the runs can name its commit."""
    inside = git(root, "rev-parse", "--is-inside-work-tree")
    if inside.returncode == 127:
        return Finding("fault", "missing", "Git", "install git")
    if "dubious ownership" in inside.stderr:
        do = f"git config --global --add safe.directory {shlex.quote(str(root))}"
        return Finding("note", "another user's repository: runs name no commit", "Git", do)
    if inside.returncode:
        config = configparser.ConfigParser(strict=False, interpolation=None)
        config.read([root / ".dvc" / name for name in ("config", "config.local")], "utf-8")
        if config.get("core", "no_scm", fallback="").lower() == "true":
            return Finding("ok", "none, which core.no_scm allows: runs name no commit", "Git")
        do = "git init, or, without versions of results, dvc config core.no_scm true"
        return Finding("fault", "the project is in no Git repository, which DVC needs", "Git", do)
    if git(root, "rev-parse", "--verify", "HEAD").returncode:
        return Finding("note", "nothing is committed: runs name no commit", "Git", "git commit")
    return Finding("ok", "installed, and the project is in a repository", "Git")


def _place(root: Path) -> Iterator[Finding]:
    """Check the path of the project, whether it can be written to, and the name of the user."""
    if fault := braces_fault(root):
        yield Finding("fault", fault, "path", "rename the folder")
    if not os.access(root, os.W_OK):
        text = f"{root} cannot be written to: no stage can run"
        yield Finding("fault", text, "project", "give your user write access")
    if not user_name():
        text = f"user {os.getuid()} has no name, which DVC needs"
        yield Finding("fault", text, "user", f"export USER=user{os.getuid()}")


def _store(root: Path) -> Iterator[Finding]:
    """Check the place that runs go to."""
    try:
        if server := tracking_server():
            yield _server(urlsplit(server))
            return
        yield from _database(Path(os.environ.get("DVC_ROOT") or root) / "mlruns" / DATABASE)
    except ImportError as error:
        yield Finding("fault", f"does not load ({error})", "MLflow", "make reproduce")
    except StoreError as error:
        text, _, do = str(error).rpartition(". ")
        yield Finding("fault", text or do, "MLflow", do if text else f"unset {URI}")


def _server(address: SplitResult) -> Finding:
    shown = without_password(address.geturl())
    port = address.port or {"http": 80, "https": 443}[address.scheme]
    try:
        socket.create_connection((address.hostname or "", port), ANSWER_SECONDS).close()
    except (OSError, UnicodeError) as error:
        text = f"the server {shown} does not answer ({error})"
        return Finding("fault", text, "MLflow", f"start it, or unset {URI}")
    return Finding("ok", f"runs go to {shown}, which answers", "MLflow")


def _database(file: Path) -> Iterator[Finding]:
    if os.environ.get(URI):
        text = f"{URI} is not followed, as it names no http(s) server: runs go to mlruns/"
        yield Finding("note", text, "MLflow", f"unset {URI}")
    state = store_state(file)
    home = file.parent
    there = [path for path in (home, file) if path.exists() or path.is_symlink()]
    if there and not (home.is_dir() and all(os.access(path, os.W_OK) for path in there)):
        text = f"{home} cannot be written to: runs are recorded in runs/ alone"
        yield Finding("fault", text, "MLflow", "make it a folder to which your user may write")
    elif state != "whole":
        text = "no runs yet" if state == "absent" else "half made, by a process that was killed"
        yield Finding("note", text, "MLflow", "mgbench sync")
    else:
        yield Finding("ok", f"{_checked_runs(file)} runs in mlruns/{file.name}", "MLflow")


def _checked_runs(file: Path) -> int:
    try:
        # Read-only: opened otherwise, SQLite would write beside a store that somebody else uses.
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as base:
            (runs,) = base.execute("SELECT count(*) FROM runs").fetchone()
            (first,) = base.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise store_error(file, error) from None
    if first != "ok":
        raise store_error(file, f"malformed ({first})")
    return runs


def _data_set(root: Path, name: str, *, made: bool) -> Finding:
    """Check that a data set is there; a stage writes one that is `made`."""
    raw, index = root / "data/raw" / name, index_file(name, root)
    # The index first: DVC may have fetched it without the raw files.
    if index.is_file():
        return Finding("ok", "indexed", f"data {name}")
    if raw.exists():
        return Finding("note", "not indexed yet", f"data {name}", f"dvc repro index@{name}")
    if made:
        return Finding("note", "not made yet", f"data {name}", "dvc repro")
    return Finding("fault", f"nothing at data/raw/{name}", f"data {name}", f"see {page_of(name)}")
