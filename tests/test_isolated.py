"""A reader in a child process: its answers, its errors, its crashes."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import os
import signal
import subprocess
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from benchmark.core.errors import ArchiveError, ManyFaults
from benchmark.core.isolated import isolated

FILE = Path("some/file")


def answer(path: Path, value: object) -> object:
    return value


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        float("inf"),
        "é\udc80\0",
        [],
        [1, [2, "list"]],
        {"a": {"b": None}},
        10**400,
    ],
)
def test_plain_data_return_as_they_are(value: object) -> None:
    result = isolated(answer, FILE, value)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4).T, np.array(7), np.empty((0, 3)),
        np.array(["a", "bcd"]), np.array([True]), np.array([b"x", b""]),
        np.array([1 + 2j]), np.arange(3, dtype=">i4"), np.array([""]),
    ],
)  # fmt: skip
def test_arrays_return_with_type_shape_and_values(array: np.ndarray) -> None:
    (result,) = isolated(answer, FILE, [array])
    assert (type(result), result.dtype, result.shape) == (type(array), array.dtype, array.shape)
    np.testing.assert_array_equal(result, array)


def test_an_array_of_100_mb_returns_whole() -> None:
    array = np.random.default_rng(0).random((2500, 5000))
    np.testing.assert_array_equal(isolated(answer, FILE, array), array)


def refuse(path: Path) -> None:
    raise ManyFaults(path, [ArchiveError(path, "one"), ArchiveError(path, "two")])


def test_an_error_of_the_reader_is_raised_again() -> None:
    with pytest.raises(ManyFaults) as error:
        isolated(refuse, FILE)
    assert error.value.lines == ["some/file: one", "some/file: two"]


def missing(path: Path) -> bytes:
    return path.read_bytes()


def test_a_file_that_cannot_be_opened_keeps_its_error() -> None:
    with pytest.raises(FileNotFoundError) as error:
        isolated(missing, FILE)
    assert error.value.filename == "some/file"


def crash(path: Path, number: int) -> None:
    faulthandler.disable()  # pytest's, which writes to the terminal
    os.kill(os.getpid(), number)


def follow_a_wrong_pointer(path: Path) -> None:
    faulthandler.disable()
    ctypes.string_at(0x112233445560)


@pytest.mark.parametrize(
    ("read", "args", "name"),
    [
        (follow_a_wrong_pointer, (), "SIGSEGV"), (crash, (signal.SIGABRT,), "SIGABRT"),
        (crash, (signal.SIGBUS,), "SIGBUS"),
    ],
)  # fmt: skip
def test_a_crash_names_the_file_and_the_signal(read, args, name) -> None:
    with pytest.raises(ArchiveError, match=f"some/file: it crashes its reader .{name}.*Fetch"):
        isolated(read, FILE, *args, error=ArchiveError)


def take_memory(path: Path, gib: float) -> int:
    return int(np.ones(int(gib * 2**30), np.uint8).sum())


def test_memory_beyond_the_limit_is_refused_and_memory_below_is_given() -> None:
    # Far more: a test process that has run for long holds free memory, which counts as its own.
    with pytest.raises(ArchiveError, match="some/file: reading it takes more than 0.25 GiB"):
        isolated(take_memory, FILE, 8, memory_gib=0.25, error=ArchiveError)
    assert isolated(take_memory, FILE, 0.2, memory_gib=0.25) == int(0.2 * 2**30)


def wait(path: Path, seconds: float) -> None:
    time.sleep(seconds)


def compute(path: Path) -> None:
    while True:
        pass


def test_a_reader_that_never_ends_is_stopped() -> None:
    with pytest.raises(ArchiveError, match="takes longer than 0.3 s"):
        isolated(wait, FILE, 60, seconds=0.3, error=ArchiveError)
    with pytest.raises(ArchiveError, match="takes longer than 0.3 s"):
        isolated(compute, FILE, seconds=0.3, error=ArchiveError)


def broken(path: Path) -> None:
    raise KeyError("a bug")


def test_a_bug_of_the_reader_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)in broken.*KeyError: 'a bug'"):
        isolated(broken, FILE)


def test_objects_do_not_cross() -> None:
    with pytest.raises(RuntimeError, match="no plain data"):
        isolated(answer, FILE, np.array([object()]))


def take_over(path: Path, said: bytes) -> None:
    """Do as a child that obeys the file: answer in the place of our code."""
    sink = sys._getframe(2).f_locals["sink"]
    os.write(sink, len(said).to_bytes(8, "little") + said)
    time.sleep(60)


@pytest.mark.parametrize(
    "said",
    [
        b"nonsense", b"[]", b'["value", {"dtype": "|O", "shape": [1]}]', b"[" * 50_000,
        b'["value", {"dtype": "<f8", "shape": [9999999999999]}]',
        b'["value", {"dtype": 1, "shape": 2}]',
        b'["value", {"dtype": "<f8", "shape": [-1]}]',
    ],
)  # fmt: skip
def test_nonsense_from_a_child_that_was_taken_over_is_a_crash(said: bytes) -> None:
    with pytest.raises(ArchiveError, match="it crashes its reader"):
        isolated(take_over, FILE, said, error=ArchiveError)


def in_a_daemon(results) -> None:
    results.put(isolated(answer, FILE, "inside"))


def test_it_works_within_a_daemonic_worker() -> None:
    context = get_context("spawn")
    results = context.Queue()
    worker = context.Process(target=in_a_daemon, args=(results,), daemon=True)
    worker.start()
    assert results.get(timeout=60) == "inside"
    worker.join()


def test_the_child_dies_with_its_parent() -> None:
    code = "import sys, test_isolated as t; t.isolated(t.tell_and_wait, t.FILE)"
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parent, start_new_session=True,
    )  # fmt: skip
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(child)


def tell_and_wait(path: Path) -> None:
    os.write(1, b"%d\n" % os.getpid())
    time.sleep(60)


def alive(process: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _collects(path: Path) -> bool:
    return gc.isenabled()


def test_the_child_collects_no_garbage_of_its_parent_whose_threads_it_lacks(tmp_path: Path) -> None:
    """A video decoder with threads, collected in a fork, waits for them for ever."""
    assert gc.isenabled()
    assert isolated(_collects, tmp_path) is False
    assert gc.isenabled()
