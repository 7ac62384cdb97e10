"""A parallel map with a progress bar that completes all items and then reports every fault."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from tqdm import tqdm

from benchmark.core.errors import BenchmarkError, ManyFaults
from benchmark.core.parent import die_with_parent
from benchmark.runtime.seeding import keep_freed_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.sharedctypes import Synchronized
    from types import FrameType

    import torch

PROCESSES_PER_GPU = 3
"""While one process decodes or encodes video, another computes."""

_number = 0
"""Number of this process among the workers of its pool."""

T = TypeVar("T")
R = TypeVar("R")


def usable_cores() -> int:
    """Count the cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def worker_number() -> int:
    """Return 0, 1, ... within a pool of workers, and 0 elsewhere."""
    return _number


def own_device() -> torch.device:
    """Return the GPU of this worker process, or the CPU limited to one thread.

    Workers share the GPUs in turn.
    """
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", worker_number() % torch.cuda.device_count())
    keep_freed_memory()
    # Threads split sums: with several, the bytes would depend on the number of workers.
    torch.set_num_threads(1)
    return torch.device("cpu")


def network_workers() -> int:
    """Return how many processes to spread the forward passes of an extractor over."""
    import torch

    if torch.cuda.is_available():
        return min(usable_cores(), PROCESSES_PER_GPU * torch.cuda.device_count())
    return usable_cores()


def _start_worker(started: Synchronized[int], parent: int) -> None:
    global _number
    # Before the lock: a parent that was killed while this worker started may hold it forever.
    die_with_parent(parent)
    with started.get_lock():
        _number = started.value
        started.value += 1
    # The terminal sends Ctrl-C to the whole process group; the parent alone reacts to it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # An exception unwinds the stack, so that `replacing` deletes half-written files. Ignore further
    # signals: they would interrupt that.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)


def map_in_processes(
    function: Callable[[T], R], items: Sequence[T], *, what: str, workers: int, do: str = ""
) -> list[R]:
    """Compute `[function(item) for item in items]` in several processes.

    Args:
        function: Importable by name, because the processes are spawned.
        items: Picklable arguments; the results keep their order.
        what: Title of the progress bar and of the error.
        workers: Number of processes; 1 computes in this one.
        do: What the user is told to do after the list of faults.

    Raises:
        ManyFaults: Some items raised a `BenchmarkError`; raised after all items ran.
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
    """Yield (index, result or BenchmarkError) in the order of completion."""
    if workers <= 1 or len(items) <= 1:
        for index, item in enumerate(items):
            yield index, _run(function, item)
        return
    # A forked worker would inherit the threads' locks of torch and OpenCV, but not the threads.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        min(workers, len(items)), mp_context=context, initializer=_start_worker,
        initargs=(context.Value("i", 0), os.getpid()),
    )  # fmt: skip
    try:
        futures = {pool.submit(_work, function, item): i for i, item in enumerate(items)}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()  # without waiting for items in progress
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _work(function: Callable[[Any], Any], item: Any) -> Any:
    try:
        return _run(function, item)
    except SystemExit as leave:
        # The pool would send the exception to the parent and continue with the next item.
        os._exit(leave.code if isinstance(leave.code, int) else 1)


def _run(function: Callable[[Any], Any], item: Any) -> Any:
    try:
        return function(item)
    except BenchmarkError as error:
        return error
