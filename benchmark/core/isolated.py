"""Read damaged or hostile files in a child process: a crash of the reader becomes a message.

The child is a fork of this process, one per file. A fork takes milliseconds, where a new
interpreter that imports numpy takes a tenth of a second, and it works in workers that may not
start processes through `multiprocessing`. It inherits the locks of other threads but not the
threads, so a reader must use no thread pool: no torch, no OpenCV.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import math
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np

from benchmark.core import errors
from benchmark.core.errors import BenchmarkError, FormatError
from benchmark.core.parent import die_with_parent

R = TypeVar("R")

_STOPS = (signal.SIGINT, signal.SIGTERM)
_OUT_OF_MEMORY = (b"memory allocation", b"bad_alloc", b"Cannot allocate memory")


def isolated(
    read: Callable[..., R],
    path: Path,
    *args: Any,
    memory_gib: float = 4,
    seconds: float = 600,
    error: type[BenchmarkError] = FormatError,
    do: str = "Fetch or make the file again",
) -> R:
    """Return `read(path, *args)`, computed in a child process that may crash.

    Args:
        read: Returns plain data: what JSON can hold, and arrays without objects in it.
        path: The file, for `read` and for the message.
        args: Further arguments of `read`.
        memory_gib: Memory that the child may take on top of what this process holds.
        seconds: Time that the child may take.
        error: Class of the error if the child crashes or exceeds a limit.
        do: What the user is told to do then.

    Raises:
        BenchmarkError: `read` raised it, or it crashed, or it exceeds a limit.
        RuntimeError: `read` has a bug; the message holds its traceback.
    """
    source, sink = os.pipe()
    kind, content = "crash", None
    with tempfile.TemporaryFile() as said:
        child = _started(read, (path, *args), (sink, said.fileno()), (memory_gib, seconds))
        os.close(sink)
        try:
            kind, content = _received(source, time.monotonic() + seconds, memory_gib * 2**30)
        except TimeoutError:
            kind = "time"
        except EOFError:
            pass
        except (ValueError, TypeError, LookupError, RecursionError):
            kind = "nonsense"  # the file took the child over
        finally:
            os.close(source)
            # A child that crashed keeps its status: Linux fixed it before it closed the pipe.
            os.kill(child, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        words = said.read()
    if wrong := _wrong(kind, status, words, (memory_gib, seconds)):
        raise error(path, wrong, expected="a sound file", do=do)
    sys.stderr.write(words.decode(errors="replace"))
    return _returned(kind, content)


def _started(
    read: Callable[..., Any], arguments: tuple[Any, ...], ends: tuple[int, int],
    limits: tuple[float, float],
) -> int:  # fmt: skip
    """Start a child and return its process id.

    Args:
        read: The reader.
        arguments: Its arguments.
        ends: Where to write the answer, and standard error.
        limits: GiB and seconds.
    """
    parent, collects = os.getpid(), gc.isenabled()
    # A handler that raised in the child would run `finally` blocks that belong to the parent.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    # Nor may the child collect the parent's garbage: a decoder would wait for its threads, which
    # are not in the child.
    gc.disable()
    if not (child := os.fork()):
        os.dup2(ends[1], 2)
        _child(read, arguments, ends[0], limits, (parent, mask))
    if collects:
        gc.enable()
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return child


def _wrong(kind: str, status: int, words: bytes, limits: tuple[float, float]) -> str:
    """Say how a child failed; empty where it answered.

    Args:
        kind: Kind of its answer.
        status: Its exit code.
        words: What it wrote to standard error.
        limits: GiB and seconds.
    """
    if kind == "time" or status == -signal.SIGXCPU:
        return f"reading it takes longer than {limits[1]:g} s"
    killed = status == -signal.SIGKILL or any(word in words for word in _OUT_OF_MEMORY)
    if kind == "memory" or (kind == "crash" and killed):
        return f"reading it takes more than {limits[0]:g} GiB of memory"
    if kind in {"crash", "nonsense"}:
        name = signal.Signals(-status).name if kind == "crash" and status < 0 else "no answer"
        return f"it crashes its reader ({name})"
    return ""


def _returned(kind: str, content: Any) -> Any:
    """Return the value that a child sent, or raise the error that it sent."""
    if kind == "error":
        raise errors.revive(getattr(errors, content[0]), tuple(content[1]))
    if kind == "system":
        raise OSError(*content)
    if kind == "bug":
        raise RuntimeError(f"in the child process that read the file:\n{content}")
    return content


def _child(
    read: Callable[..., Any],
    arguments: tuple[Any, ...],
    sink: int,
    limits: tuple[float, float],
    before: tuple[int, Collection[int]],
) -> NoReturn:
    """Compute and send the answer, and end.

    Args:
        read: The reader.
        arguments: Its arguments.
        sink: Where to write the answer.
        limits: GiB and seconds.
        before: Process id of the parent, and the signals that it blocks.
    """
    status, (parent, mask) = 1, before
    try:
        for number in _STOPS:
            if callable(signal.getsignal(number)):  # what the parent ignores stays ignored
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        faulthandler.disable()  # the message is enough
        die_with_parent(parent, signal.SIGKILL)
        _limit(*limits)
        _send(sink, _answer(read, arguments))
        status = 0
    finally:
        os._exit(status)  # the rest of the program belongs to the parent


def _limit(memory_gib: float, seconds: float) -> None:
    # A process that uses a GPU holds terabytes of addresses: the limit counts from there.
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    memory = pages * resource.getpagesize() + int(memory_gib * 2**30)
    for kind, value in (
        (resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, int(seconds) + 1),
        (resource.RLIMIT_CORE, 0),
    ):  # fmt: skip
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (value if hard < 0 else min(value, hard), hard))


def _answer(read: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[str, Any]:
    # Messages quote what they found, and a file may hold numbers of any length: the limit of CPU
    # time guards against those that take too long.
    sys.set_int_max_str_digits(0)
    try:
        return "value", read(*arguments)
    except BenchmarkError as error:
        return "error", [type(error).__name__, [str(part) for part in error.args]]
    except OSError as error:
        return "system", [error.errno, error.strerror, str(error.filename or arguments[0])]
    except MemoryError:
        return "memory", None
    except Exception:
        return "bug", traceback.format_exc()


# A file that takes the child over could send anything, and unpickling would run it here. So the
# answer is JSON, and after it the bytes of the arrays.
def _send(sink: int, answer: tuple[str, Any]) -> None:
    arrays = []

    def form(value: Any) -> Any:
        array = np.asarray(value)
        if array.dtype.kind not in "biufcSU":
            raise TypeError(f"no plain data: {type(value).__name__}")
        arrays.append(array)
        return {"dtype": array.dtype.str, "shape": array.shape}

    try:
        head = json.dumps(answer, default=form).encode()
    except (TypeError, ValueError, RecursionError):
        arrays.clear()
        head = json.dumps(("bug", traceback.format_exc())).encode()
    with open(sink, "wb") as pipe:
        for part in (len(head).to_bytes(8, "little"), head, *(a.tobytes() for a in arrays)):
            pipe.write(part)


def _received(source: int, deadline: float, room: float) -> tuple[str, Any]:
    """Read an answer of at most `room` bytes.

    Raises:
        EOFError: The child ended before its answer did.
        TimeoutError: The deadline, by `time.monotonic`, is over.
        ValueError: The answer is none.
    """

    def read(size: int) -> bytearray:
        if not 0 <= size <= room:
            raise ValueError("more than the child's memory")
        data = bytearray(size)
        place = memoryview(data)
        while place:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([source], [], [], left)[0]:
                raise TimeoutError
            if not (count := os.readv(source, [place])):
                raise EOFError
            place = place[count:]
        return data

    def array(form: dict[str, Any]) -> Any:
        if form.keys() != {"dtype", "shape"}:
            return form
        dtype, shape = np.dtype(form["dtype"]), form["shape"]
        if dtype.hasobject:
            raise ValueError("pointers")
        return np.ndarray(shape, dtype, read(dtype.itemsize * math.prod(shape)))

    kind, content = json.loads(read(int.from_bytes(read(8), "little")), object_hook=array)
    return kind, content
