"""Work in processes: results in order, all faults at once, and an end when it is stopped."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from benchmark.archives.raw_files import RawFile
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


def crash(number: int, folder: Path) -> int:
    """Read a file as archives are read; the library underneath dies on the third."""
    with RawFile(folder / f"{number}.mp4").local():
        if number == 2:
            faulthandler.disable()
            ctypes.string_at(0x112233445560)
        if number == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 6:
            raise MemoryError
    return number


def test_a_crash_of_a_worker_names_its_file_and_all_other_items_are_computed(
    tmp_path: Path,
) -> None:
    with pytest.raises(ManyFaults) as caught:
        map_in_processes(partial(crash, folder=tmp_path), range(9), what="films", workers=2)
    third, killed, large = caught.value.lines
    assert third.startswith(f"{tmp_path}/2.mp4: the process that worked on it crashed (SIGSEGV)")
    assert killed.startswith(f"{tmp_path}/5.mp4: the process that worked on it crashed (SIGKILL)")
    assert "memory" in killed
    assert large.startswith(f"{tmp_path}/6.mp4: needs more memory")


def broken(number: int) -> None:
    raise KeyError("a bug")


def test_a_bug_in_a_worker_keeps_its_type_and_its_traceback() -> None:
    with pytest.raises(KeyError) as caught:
        map_in_processes(broken, [1, 2], what="w", workers=2)
    assert "in broken" in caught.value.__notes__[0]


STARTING = """
import time
from benchmark.runtime.parallel import map_in_processes
map_in_processes(time.sleep, [300] * 4, what="w", workers=2)
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0, 0.1, 0.4])
def test_workers_end_if_their_parent_is_killed_while_they_start(delay: float) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTING], env={**os.environ, "PYTHONPATH": f"{REPO}"},
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    process, deadline = psutil.Process(parent.pid), time.monotonic() + 60
    while len(children := process.children()) < 3:  # multiprocessing's tracker is the third
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(delay)
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


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


@pytest.mark.slow
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
