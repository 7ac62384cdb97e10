"""A parallel map with a progress bar that completes all items and then reports every fault."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from tqdm import tqdm

from benchmark.core.errors import ArchiveError, BenchmarkError, ManyFaults
from benchmark.core.files import held
from benchmark.core.parent import die_with_parent, report_reads
from benchmark.runtime.seeding import keep_freed_memory

if TYPE_CHECKING:
    import torch

HELPER = "MGBENCH_HELPER"
"""Set in a process that makes pieces of a work, and leaves it to another one to join them."""
PROCESSES_PER_GPU = 3
"""While one process decodes or encodes video, another computes."""
SECONDS_TO_CLEAN_UP = 20
_MEMORY = "Free some, or leave the file out"

_number = 0
"""Number of this process among the workers of its pool."""

T = TypeVar("T")
R = TypeVar("R")


def usable_cores() -> int:
    """Count the cores that this process may run on."""
    return len(os.sched_getaffinity(0))


def own_device() -> torch.device:
    """Return the GPU of this worker process, or the CPU limited to one thread.

    Workers share the GPUs in turn.
    """
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", _number % torch.cuda.device_count())
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


def is_helper() -> bool:
    """Tell whether this process only makes pieces."""
    return HELPER in os.environ


@contextmanager
def whole_work() -> Iterator[None]:
    """Let a process that only makes pieces finish a smaller work, within one of its pieces."""
    helper = os.environ.pop(HELPER, None)
    try:
        yield
    finally:
        if helper is not None:
            os.environ[HELPER] = helper


@contextmanager
def claimed(piece: Path) -> Iterator[bool]:
    """Yield whether this process has `piece` for itself, among all that share out one work.

    They may be on several hosts of one disk. The system frees what a dead one held.
    """
    with held(piece.with_name(f".{piece.name}.lock")) as (_, mine):
        yield mine


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


def _outcomes(function: Any, items: Sequence[Any], workers: int) -> Iterator[tuple[int, Any]]:
    """Yield (index, result or BenchmarkError) in the order of completion."""
    waiting = list(enumerate(items))[::-1]
    if workers <= 1 or len(items) <= 1:
        while waiting:
            index, item = waiting.pop()
            yield index, _run(function, item)
        return
    busy = [_Worker(function, number) for number in range(min(workers, len(items)))]
    try:
        for worker in busy:
            worker.begin(*waiting.pop())
        while busy:
            ready = wait([worker.pipe for worker in busy])
            for worker in [worker for worker in busy if worker.pipe in ready]:
                index = worker.index
                for outcome in worker.received():
                    busy.remove(worker)
                    busy += worker.continued(waiting)
                    yield index, outcome
    finally:
        for worker in busy:
            worker.terminate()  # without waiting for its item
        for worker in busy:
            worker.end()


class _Worker:
    """A process that computes the items that its parent sends, one after the other."""

    def __init__(self, function: Callable[[Any], Any], number: int) -> None:
        # A forked worker would inherit the threads' locks of torch and OpenCV, but not the threads.
        context = multiprocessing.get_context("spawn")
        self._function, self._number, self._alive = function, number, True
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(function, theirs, number, os.getpid())
        )  # fmt: skip
        # The terminal sends Ctrl-C to the whole process group; the parent alone reacts to it. A
        # blocked signal stays blocked in the new process, from its first instruction on.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()  # the worker alone holds it now: the pipe ends when the worker does

    def begin(self, index: int, item: Any) -> None:
        self.index, self._reads = index, f"item {index + 1}"
        with suppress(OSError):  # `received` finds a worker that has died
            self.pipe.send(item)

    def continued(self, waiting: list[tuple[int, Any]]) -> list[_Worker]:
        """Return a worker that has begun the next item, or none after the last one."""
        if not waiting:
            self.end()
            return []
        worker = self if self._alive else _Worker(self._function, self._number)
        worker.begin(*waiting.pop())
        return [worker]

    def received(self) -> list[Any]:
        """Return result or BenchmarkError of the item, and nothing while the worker works."""
        try:
            kind, content = self.pipe.recv()
        except (EOFError, OSError):
            return [self._crash()]
        if kind == "bug":
            raise content
        if kind == "outcome":
            return [content]
        if kind == "memory":
            return [ArchiveError(self._reads, "needs more memory than there is", do=_MEMORY)]
        self._reads = content
        return []

    def _crash(self) -> ArchiveError:
        self._alive = False
        self.end()
        code = self._process.exitcode or 0
        if code >= 0:
            raise RuntimeError(f"a worker process ended with exit code {code}")
        name, do = signal.Signals(-code).name, "Fetch or make the file again"
        if code == -signal.SIGKILL:
            do = f"Linux does so if memory runs out. {_MEMORY}"
        return ArchiveError(self._reads, f"the process that worked on it crashed ({name})", do=do)

    def terminate(self) -> None:
        self._process.terminate()

    def end(self) -> None:
        """Wait until the process ends; one without an item ends at once."""
        self.pipe.close()
        self._process.join(SECONDS_TO_CLEAN_UP)
        self._process.kill()  # it may be deep in a library that lets no handler run
        self._process.join()


def _serve(function: Callable[[Any], Any], pipe: Connection, number: int, parent: int) -> None:
    """Compute the items that the parent sends, in the worker.

    Args:
        function: What to compute.
        pipe: To the parent.
        number: Number of this worker.
        parent: Process id of the parent.
    """
    global _number
    _number = number
    die_with_parent(parent)
    signal.signal(signal.SIGTERM, _leave)
    report_reads(lambda file: pipe.send(("reads", file)))
    with suppress(EOFError, BrokenPipeError):  # the parent has no more items
        while True:
            item = pipe.recv()
            try:
                answer = ("outcome", _run(function, item))
            except MemoryError:
                answer = ("memory", None)
            except Exception as error:
                error.add_note(f"In a worker process:\n{traceback.format_exc()}")
                answer = ("bug", error)
            pipe.send(answer)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # An exception unwinds the stack, so that `replacing` deletes half-written files. Ignore further
    # signals: they would interrupt that.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _run(function: Callable[[Any], Any], item: Any) -> Any:
    try:
        return function(item)
    except BenchmarkError as error:
        return error
