"""Work spread over processes, with progress, where one damaged item does not spoil the others."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from tqdm import tqdm

from benchmark.core.errors import BenchmarkError, ManyFaults

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.sharedctypes import Synchronized
    from types import FrameType

PR_SET_PDEATHSIG = 1

_number = 0
"""Of this process among the workers of its pool."""

T = TypeVar("T")
R = TypeVar("R")


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def die_with_parent() -> None:
    """Ask Linux to stop this process when the one that started it is killed.

    An orphan would go on and write its outputs later, behind DVC's back.
    """
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6", use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def worker_number() -> int:
    """0, 1, ... within a pool of workers; 0 elsewhere."""
    return _number


def _start_worker(started: Synchronized[int]) -> None:
    """Ctrl-C reaches the whole group; the parent alone decides what it means."""
    global _number
    with started.get_lock():
        _number = started.value
        started.value += 1
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Unwind, so that files begun beside their place are taken away; once is enough."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)


def map_in_processes(
    function: Callable[[T], R], items: Sequence[T], *, what: str, workers: int, do: str = ""
) -> list[R]:
    """`[function(item) for item in items]` over `workers` processes.

    `function` must be importable (spawned processes). Results keep the order of `items`; `do` is
    what the user is told after the faults.

    Raises:
        ManyFaults: After all items ran; names every `BenchmarkError` that came up.
    """
    results: dict[int, R] = {}
    faults: dict[int, BenchmarkError] = {}
    bar: Any = tqdm(total=len(items), desc=what, unit="item", disable=None)
    with bar:
        for index, outcome in _outcomes(function, items, workers):
            if isinstance(outcome, BenchmarkError):
                faults[index] = outcome
            else:
                results[index] = outcome
            bar.update()
    if faults:
        raise ManyFaults(what, [faults[index] for index in sorted(faults)], do=do)
    return [results[index] for index in range(len(items))]


def _outcomes(function: Any, items: Sequence[Any], workers: int) -> Any:
    """(index, result or BenchmarkError) as they come."""
    if workers <= 1 or len(items) <= 1:
        for index, item in enumerate(items):
            yield index, _run(function, item)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        min(workers, len(items)), mp_context=context, initializer=_start_worker,
        initargs=(context.Value("i", 0),),
    )  # fmt: skip
    try:
        futures = {pool.submit(_work, function, item): i for i, item in enumerate(items)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()  # a stopped user does not wait for the items under way
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _work(function: Callable[[Any], Any], item: Any) -> Any:
    """`_run` in a worker. Its pool would send a `SystemExit` home and go on with the next item."""
    try:
        return _run(function, item)
    except SystemExit as leave:
        os._exit(leave.code if isinstance(leave.code, int) else 1)


def _run(function: Callable[[Any], Any], item: Any) -> Any:
    try:
        return function(item)
    except BenchmarkError as error:
        return error
