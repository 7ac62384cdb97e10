"""The folder `.run`, which Git and DVC ignore: locks, logs and durations of stages."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from benchmark.core.errors import BenchmarkError
from benchmark.core.files import held, write_text

FOLDER = Path(".run")
LOCKS, LOGS, SECONDS = FOLDER / "locks", FOLDER / "logs", FOLDER / "seconds"
TABLE = Path(__file__).with_name("resources.yaml")
"""What each kind of stage needs; kinds that are not in it are light."""
LAUNCHED = "MGBENCH_LAUNCHED"
"""Set in a process that was launched, which does the work: a file that its launcher has written."""
BOOT = Path("/proc/sys/kernel/random/boot_id")


def this_host() -> str:
    """Return name and boot of this machine: a name alone may be given twice."""
    boot = BOOT.read_text("utf-8").strip() if BOOT.is_file() else ""
    return f"{platform.node()} {boot}".strip()


@contextmanager
def one_host() -> Iterator[None]:
    """Refuse to work beside another host that runs DVC in the same folder.

    DVC's own lock names a process without its host: another host would take it for the lock of a
    dead process, and remove it. This lock is the system's, and ends with its process.

    Raises:
        BenchmarkError: Another host holds it.
    """
    with held(Path(".dvc/tmp/host")) as (file, mine):
        if mine:
            _sign(file, this_host())
        fcntl.flock(file, fcntl.LOCK_SH)  # others of this host may join, once the name is written
        file.seek(0)
        if (holder := file.read()) != this_host():
            raise BenchmarkError(
                "project", f"host '{holder.split(' ')[0]}' runs DVC in this folder",
                expected="one host at a time: DVC's locks know no hosts",
                do="Wait for it, or let that host start commands on this one (launch.yaml)",
            )  # fmt: skip
        yield


@contextmanager
def only_one(work: str) -> Iterator[None]:
    """Refuse a second process of one work: a run, or a stage, as of a job that outlived its DVC.

    Raises:
        BenchmarkError: There is one; the message says where.
    """
    with held(LOCKS / work) as (file, mine):
        if not mine:
            holder = file.read() or "another process"
            raise BenchmarkError(work, f"already runs: {holder}", do="Wait for it, or end it")
        _sign(file, f"process {os.getpid()} on {platform.node()}")
        yield


@contextmanager
def launched_mark(name: str) -> Iterator[dict[str, str]]:
    """Yield the variable by which launched processes know this folder: `check_launched`."""
    mark = FOLDER / "launched" / name
    write_text(mark, this_host() + "\n")
    try:
        yield {LAUNCHED: str(mark)}
    finally:
        mark.unlink(missing_ok=True)


def check_launched() -> None:
    """Make sure that a launched process works in the very folder of its launcher.

    In another one of the same path it would train on other data, and write where nobody looks.

    Raises:
        BenchmarkError: It does not.
    """
    mark = os.environ.get(LAUNCHED)
    if mark is not None and not Path(mark).is_file():
        raise BenchmarkError(
            Path.cwd(), f"on {platform.node()} is not the folder in which DVC runs",
            expected="one disk that all machines see under the same path",
            do="Mount it there: docs/scale.md",
        )  # fmt: skip


def _sign(file: IO[str], holder: str) -> None:
    file.truncate(0)
    file.write(holder)
    file.flush()


def record_seconds(stage: str) -> None:
    """Note how long a stage took: the life of this process so far."""
    import psutil  # not at the top: most commands need it not

    seconds = time.time() - psutil.Process().create_time()
    write_text(SECONDS / stage, json.dumps({"seconds": round(seconds, 2)}) + "\n")


def read_seconds() -> dict[str, float]:
    """Return how long each stage took when it last ran here."""
    found = {}
    for path in SECONDS.glob("*") if SECONDS.is_dir() else ():
        # A damaged file is a duration that is not known: nothing else depends on it.
        with suppress(ValueError, KeyError, TypeError):
            if not path.name.startswith("."):
                found[path.name] = float(json.loads(path.read_text("utf-8"))["seconds"])
    return found
