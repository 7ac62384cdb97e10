"""Records of runs: what DVC keeps of each MLflow run, in `runs/<stage>.json` (format `runs/1`).

A record holds everything that `benchmark.tracking.sync` needs to recreate the run in an empty
store, and the tags that say where the run came from (`origin`).
"""

from __future__ import annotations

import getpass
import json
import logging
import os
import platform
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

import psutil
from pydantic import (
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    field_validator,
    model_validator,
)

from benchmark.core.errors import BenchmarkError
from benchmark.core.files import write_text
from benchmark.core.schema import Strict, read_json

if TYPE_CHECKING:
    from benchmark.editions.edition import Edition

log = logging.getLogger(__name__)

PACKAGES = ("mm-gesture-benchmark", "torch", "mmaction2")
"""Distributions whose versions each run notes. Reading a version imports nothing."""
STAGE_OUTPUTS = ("dvc.lock",)
"""Git tracks it, but DVC rewrites it: a change there does not make the code dirty."""
NON_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}

NOTE = "mlflow.note.content"
"""Tag that the UI shows as the description of a run or an experiment."""

RunKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Status = Literal["FINISHED", "FAILED", "KILLED"]


def _finite_or_named(value: object) -> object:
    return NON_FINITE.get(value, value) if isinstance(value, str) else value


class Point(Strict):
    """One value of one metric at one step."""

    # JSON has no NaN, but the record of a training that diverged must hold one.
    model_config = ConfigDict(ser_json_inf_nan="strings", allow_inf_nan=True)

    key: str
    value: Annotated[float, BeforeValidator(_finite_or_named)]
    step: int
    timestamp_ms: int


class Table(Strict):
    """A small table, which the MLflow UI draws as a table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]

    @model_validator(mode="after")
    def _rectangular(self) -> Table:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"every row needs {len(self.columns)} cells, one per column")
        return self


class RunRecord(Strict):
    """Everything that recreates one run in an empty store."""

    # MLflow draws its run ids itself, so the same run gets another id in every store. The key is
    # ours: it travels with the record, and `sync` finds the run by it on any machine.
    run_key: RunKey
    """The run's identity in every store."""
    parent_key: RunKey | None
    """`run_key` of the run that the UI shows this one under."""
    experiment: str
    name: str
    status: Status
    start_ms: int
    end_ms: int
    params: dict[str, str]
    tags: dict[str, str]
    metrics: tuple[Point, ...]
    artifacts: tuple[str, ...]
    """Files to attach, relative to the repository."""
    table: Table | None
    """What the UI shows as `results_table.json`."""

    @field_validator("artifacts")
    @classmethod
    def _stay_inside(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        for path in paths:
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise ValueError(f"{path!r} leaves the repository: name a path inside it")
        return paths


class RunsFile(Strict):
    """The file `runs/<stage>.json`."""

    format: Literal["runs/1"]
    runs: tuple[RunRecord, ...]

    @model_validator(mode="after")
    def _parents_first(self) -> RunsFile:
        seen: set[str] = set()
        for run in self.runs:
            if run.run_key in seen:
                raise ValueError(f"two runs have the key {run.run_key}")
            if run.parent_key is not None and run.parent_key not in seen:
                raise ValueError(f"run '{run.name}' comes before its parent or has none here")
            seen.add(run.run_key)
        return self


def write_records(path: Path, records: Sequence[RunRecord]) -> None:
    """Write `runs/<stage>.json`; `records` holds parents before their children."""
    write_text(path, RunsFile(format="runs/1", runs=tuple(records)).model_dump_json() + "\n")


def read_records(path: Path) -> tuple[RunRecord, ...]:
    """Read `runs/<stage>.json`.

    Raises:
        FormatError: The file is missing, is damaged or breaks the schema.
    """
    do = "Get it back with 'dvc checkout', or delete it and rerun its stage"
    return read_json(path, RunsFile, what="run records of format 'runs/1'", do=do).runs


def new_record(  # noqa: PLR0913 - one keyword for each field of the record
    root: Path,
    *,
    experiment: str,
    name: str,
    start_ms: int | None = None,
    end_ms: int | None = None,
    parent_key: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    metrics: Mapping[str, float] | None = None,
    artifacts: Sequence[Path] = (),
    table: Table | None = None,
) -> RunRecord:
    """Build the record of a run that ended well, with a new key and the tags of `origin`.

    Args:
        root: The repository.
        experiment: Name of the MLflow experiment, such as `mmgesture/table`.
        name: Name in the UI's list of runs.
        start_ms: Start in milliseconds since 1970; by default the end.
        end_ms: End in milliseconds since 1970, by default now; also the time of the metrics.
        parent_key: `run_key` of the run that the UI shows this one under.
        params: Parameters; nested ones become `outer.inner`.
        tags: Tags to add to those of `origin`.
        metrics: Final values by name.
        artifacts: Files under `root` to attach.
        table: Table that the UI shows as `results_table.json`.

    Raises:
        BenchmarkError: An artifact lies outside `root`.
    """
    end_ms = now_ms() if end_ms is None else end_ms
    pairs = (metrics or {}).items()
    points = [Point(key=key, value=value, step=0, timestamp_ms=end_ms) for key, value in pairs]
    return RunRecord(
        run_key=uuid.uuid4().hex, parent_key=parent_key, experiment=experiment, name=name,
        status="FINISHED", start_ms=end_ms if start_ms is None else start_ms, end_ms=end_ms,
        params=flatten(params or {}), tags={**origin(root), **(tags or {})},
        metrics=tuple(points), table=table,
        artifacts=tuple(_within(root, path) for path in artifacts),
    )  # fmt: skip


def _within(root: Path, path: Path) -> str:
    if not (root / path).is_relative_to(root):
        raise BenchmarkError(path, "lies outside the project", do=f"Name a path inside {root}")
    return (root / path).relative_to(root).as_posix()


def edition_tags(kind: str, edition: Edition, note: str) -> dict[str, str]:
    """Return the tags of a run on an edition: its kind, the edition, and what the UI describes."""
    return {"kind": kind, "edition": edition.stamp, NOTE: note}


def now_ms() -> int:
    """Return the time in milliseconds since 1970, as MLflow counts it."""
    return time.time_ns() // 1_000_000


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested parameters to `outer.inner`: strings stay, any other value becomes JSON."""
    flat: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def origin(root: Path) -> dict[str, str]:
    """Return tags that say which code, machine, process and DVC stage made a run."""
    tags = {
        "host": socket.gethostname(),
        "boot_id": _boot_id(),
        "pid": str(os.getpid()),
        "pid.started": f"{psutil.Process().create_time():.2f}",
        "python": platform.python_version(),
        # The UI fills its columns User and Source from these; only `mlflow.start_run` sets them.
        "mlflow.user": user_name() or f"uid {os.getuid()}",
        "mlflow.source.name": Path(sys.argv[0]).name,
        "mlflow.source.type": "LOCAL",
        **_git_tags(root),
    }
    tags |= {f"version.{name}": installed(name) or "not installed" for name in PACKAGES}
    from_dvc = {"dvc.stage": "DVC_STAGE", "dvc.exp": "DVC_EXP_NAME"}
    return tags | {tag: os.environ[key] for tag, key in from_dvc.items() if os.environ.get(key)}


def is_dead(tags: Mapping[str, str]) -> bool:
    """Tell whether the process that `origin` described is gone. It must be one of this host."""
    # Process numbers start anew at each boot, and the kernel reuses them: a number alone would
    # take a stranger for the run.
    if tags["boot_id"] != _boot_id():
        return True
    try:
        process = psutil.Process(int(tags["pid"]))
        # A killed process keeps its number until its parent has asked for its exit status.
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        # NTP may have set the clock by seconds since; the kernel reuses no number that soon.
        return abs(process.create_time() - float(tags["pid.started"])) > 5
    except psutil.NoSuchProcess:
        return True


def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text("ascii").strip() if path.exists() else str(int(psutil.boot_time()))


def installed(package: str) -> str:
    """Return the version of a package; empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def user_name() -> str:
    """Return the name of the user; empty where the system has none, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _git_tags(root: Path) -> dict[str, str]:
    commit = git(root, "rev-parse", "--verify", "HEAD")
    if commit.returncode:
        _warn_of_git(commit.stderr.strip().partition("\n")[0])
        return {"git.commit": "none", "git.dirty": "unknown"}
    excluded = [f":(exclude){path}" for path in STAGE_OUTPUTS]
    changes = git(root, "status", "--porcelain", "--", ".", *excluded)
    return {
        "git.commit": commit.stdout.strip(),
        "git.dirty": "unknown" if changes.returncode else str(bool(changes.stdout.strip())).lower(),
        "mlflow.source.git.commit": commit.stdout.strip(),
    }


@cache  # one process may record a run per row of a table
def _warn_of_git(why: str) -> None:
    log.warning("the run records no Git commit (%s); see 'mgbench doctor'", why)


def git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Return what Git answers; without Git, return code 127, as a shell does."""
    # In English, because the doctor reads the reason. Paths in the answer may be in any encoding.
    english = {**os.environ, "LC_ALL": "C"}
    command = ["git", "-C", str(root), *arguments]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False, env=english
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", f"git: {error.strerror}")
