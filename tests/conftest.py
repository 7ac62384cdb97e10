"""No test reaches past this machine; every test sees the real program."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from filelock import FileLock

from benchmark.contracts.clips import Clip
from benchmark.tracking.provenance import PACKAGES
from warm import programs

# Two test processes share the cores: threads that spin while they wait make torch 30 times as slow.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DVC_NO_ANALYTICS", "1")
# Behind nohup, or begun by a script in the background, Ctrl-C is ignored here and in every command
# that a test starts and means to stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPO = Path(__file__).parents[1]
STAGES = (
    "check", "synthesize", "synthesize_ma52", "index", "data_report", "prepare", "windows",
    "previews", "init_weights", "import_scores", "import_weights", "merge_weights", "pretrain",
    "train", "predict", "predict_windows", "detect", "fuse", "table", "analyse", "report", "submit",
    "folds", "merge_fold", "train_fold", "predict_fold", "join_folds", "fuse_oof",
)  # fmt: skip


def pytest_collection_finish() -> None:
    """What is imported by now stays: a full collection of garbage need not look at it again."""
    gc.collect()
    gc.freeze()


PLACES = {"done": 0, "finished": 2}
"""Of files by a fixture of their tests: who makes the project begins, who reads it comes last."""
LONG = {"test_own_clips", "test_walks", "test_commands", "test_masked_end_to_end"}
"""These begin before others of their place: one of them at the end would leave a core idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`--dist loadfile --no-loadscope-reorder` gives files out in this order."""
    places = dict.fromkeys((item.path for item in items), 1)
    for item in items:
        for name in PLACES.keys() & {*item.fixturenames}:
            places[item.path] = PLACES[name]
    items.sort(key=lambda item: (places[item.path], item.path.stem not in LONG))


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny project after its first `dvc repro`, for one process alone: it may be changed."""
    return _projects(tmp_path_factory) / "done"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same to read and to copy: another process may do so at the same moment."""
    return _projects(tmp_path_factory) / "finished"


def _projects(factory: pytest.TempPathFactory) -> Path:
    """The folder of both, made by the first process that asks: minutes."""
    from tiny_project import KEPT, command, project

    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(base / "projects.lock"):
        if not (base / "projects/finished").exists():
            root = project(base / "projects/done", kept=KEPT)
            command(root, "dvc", "repro")
            shutil.copytree(root, base / "projects/copying", symlinks=True)
            (base / "projects/copying").rename(base / "projects/finished")
    return base / "projects"


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store of MLflow: making its tables takes seconds, copying it does not."""
    from benchmark.tracking.store import open_store

    root = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        open_store(root)
    return root / "mlruns" / "mlflow.db"


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family == socket.AF_UNIX:
            return connect(self, address)
        host = address[0] if isinstance(address, tuple) else address
        assert host in {"127.0.0.1", "::1", "localhost"}, f"a test reached out to {host}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def a_clip(clip_id: str, **changes: object) -> Clip:
    """A sound training clip but for `changes`."""
    row = {
        "clip_id": clip_id, "video": clip_id.split("_")[0], "subject": None, "split": "train",
        "label": 0, "start_frame": 0, "end_frame": 10, "fps": 25.0, "width": 320, "height": 180,
        "excluded": False,
    }  # fmt: skip
    return Clip(**row | changes)


def copy_code(root: Path) -> Path:
    """The packages without their pictures of people: enough for commands, and to be changed."""
    for package in PACKAGES:
        ignore = shutil.ignore_patterns("assets")
        shutil.copytree(REPO / package, root / package, ignore=ignore)
    return root


def mgbench(
    folder: Path, *arguments: str, more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command as a user in `folder` runs it, with `more` in the environment."""
    return subprocess.run(
        [programs() / "mgbench", *arguments],
        cwd=folder, env=os.environ | (more or {}), capture_output=True, text=True, check=False,
    )  # fmt: skip
