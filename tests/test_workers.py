"""Work in processes: results in order, all faults at once, and an end when it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from benchmark.core.errors import ArchiveError, ManyFaults
from benchmark.runtime.parallel import map_in_processes
from conftest import REPO


def square(number: int) -> int:
    if number < 0:
        raise ArchiveError(f"item {number}", "is negative", do="Make it positive")
    return number * number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_keep_the_order_of_the_items(workers: int) -> None:
    assert map_in_processes(square, range(9), what="w", workers=workers) == [k**2 for k in range(9)]


@pytest.mark.parametrize("workers", [1, 2])
def test_every_fault_comes_home_whole_from_its_process(workers: int) -> None:
    with pytest.raises(ManyFaults) as caught:
        map_in_processes(square, [1, -2, 3, -4], what="squares", workers=workers, do="Go on")
    assert caught.value.lines == [
        "item -2: is negative. Make it positive", "item -4: is negative. Make it positive",
    ]  # fmt: skip
    assert str(caught.value).endswith("Go on")


def fault_of_many(number: int) -> None:
    raise ManyFaults("inner", [ArchiveError(f"{number}", "a"), ArchiveError(f"{number}", "b")])


def test_faults_within_faults_become_one_list() -> None:
    with pytest.raises(ManyFaults) as caught:
        map_in_processes(fault_of_many, [1, 2], what="outer", workers=2)
    assert caught.value.lines == ["1: a", "1: b", "2: a", "2: b"]


def slow(number: int, folder: Path) -> None:
    (folder / f"begun-{number}").write_text(str(os.getpid()))
    try:
        time.sleep(30)
        (folder / f"whole-{number}").touch()
    finally:
        (folder / f"cleaned-{number}").touch()


SLOW = """
import sys
from functools import partial
from pathlib import Path
from test_workers import slow
from benchmark.runtime.parallel import map_in_processes
if __name__ == "__main__":
    map_in_processes(partial(slow, folder=Path(sys.argv[1])), range(8), what="w", workers=2)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stop_ends_the_workers_at_once_cleans_up_and_begins_nothing_new(
    tmp_path: Path, number: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path)], cwd=REPO, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": f"{REPO}:{REPO / 'tests'}"},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("begun-*"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.2)
    workers = [psutil.Process(int(path.read_text())) for path in tmp_path.glob("begun-*")]
    process.send_signal(number)
    process.wait(timeout=20)
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert not alive
    assert len(list(tmp_path.glob("begun-*"))) == len(list(tmp_path.glob("cleaned-*"))) == 2
    assert not list(tmp_path.glob("whole-*"))


def test_partial_functions_travel() -> None:
    assert map_in_processes(partial(pow, 2), [1, 2, 3], what="w", workers=2) == [2, 4, 8]
