"""Read damaged or hostile files in a child process: a crash of the reader becomes a message.

The child is a fork of this process, one per file. A fork takes milliseconds, where a new
interpreter that imports numpy takes a tenth of a second, and it works in workers that may not
start processes through `multiprocessing`. It inherits the locks of other threads but not the
threads, so a reader must use no thread pool: no torch, no OpenCV.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from benchmark.core import errors
from benchmark.core.errors import BenchmarkError, FormatError
from benchmark.core.parent import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from numpy.typing import NDArray

R = TypeVar("R")

_KINDS = "biufcSU"
"""Kinds of arrays that hold no pointers."""
_OUT_OF_MEMORY = (b"memory allocation", b"bad_alloc", b"Cannot allocate memory")
_STOPS = (signal.SIGINT, signal.SIGTERM)


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
        read: Returns plain data: None, numbers, texts, bytes, arrays without objects, and lists,
            tuples (also named ones, which return as plain ones) and dicts of them.
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
    parent, answer = os.getpid(), ("crash", None)
    with tempfile.TemporaryFile() as said:
        # A handler that raised in the child would run `finally` blocks that belong to the parent.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        if not (child := os.fork()):
            os.dup2(said.fileno(), 2)
            _answer(read, (path, *args), sink, (memory_gib, seconds), (parent, mask))
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(sink)
        try:
            answer = _Pipe(source, time.monotonic() + seconds, int(memory_gib * 2**30)).answer()
        except TimeoutError:
            answer = ("time", None)
        except EOFError:
            pass
        except (ValueError, TypeError, LookupError, RecursionError):
            answer = ("nonsense", None)  # the file took the child over
        finally:
            os.close(source)
            # A child that crashed keeps its status: Linux fixed it before it closed the pipe.
            os.kill(child, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        said.seek(0)
        words = said.read()
    kind, content = answer
    if kind == "time" or status == -signal.SIGXCPU:
        raise error(path, f"reading it takes longer than {seconds:g} s", do=do)
    if kind == "crash" and (status == -signal.SIGKILL or any(w in words for w in _OUT_OF_MEMORY)):
        kind = "memory"
    if kind == "memory":
        raise error(path, f"reading it takes more than {memory_gib:g} GiB of memory", do=do)
    if kind in {"crash", "nonsense"}:
        crash = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        name = crash if kind == "crash" else "its answer is none"
        raise error(path, f"it crashes its reader ({name})", expected="a sound file", do=do)
    sys.stderr.write(words.decode(errors="replace"))
    return _returned(kind, content)


def _answer(
    read: Callable[..., Any],
    arguments: tuple[Any, ...],
    sink: int,
    limits: tuple[float, float],
    before: tuple[int, Collection[int]],
) -> NoReturn:
    """Compute and send the answer, in the child.

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
        arrays: list[NDArray[Any]] = []
        try:
            answer = ["value", _packed(read(*arguments), arrays)]
        except BenchmarkError as error:
            answer = ["error", [type(error).__name__, [str(part) for part in error.args]]]
        except OSError as error:
            answer = ["system", [error.errno, error.strerror, str(error.filename or arguments[0])]]
        except MemoryError:
            answer = ["memory", None]
        except Exception:
            answer = ["bug", traceback.format_exc()]
        head = json.dumps(answer).encode()
        with open(sink, "wb") as pipe:
            pipe.write(len(head).to_bytes(8, "little") + head)
            for array in arrays:
                pipe.write(np.ascontiguousarray(array).tobytes())
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
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, hard))


# A file that takes the child over could send anything, and unpickling would run it here. So the
# answer is JSON, in which a list of tag and content stands for whatever JSON lacks, and then the
# bytes of the arrays.
def _packed(value: Any, arrays: list[NDArray[Any]]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return ["bytes", value.decode("latin1")]
    if isinstance(value, dict):
        pairs = [[_packed(key, arrays), _packed(part, arrays)] for key, part in value.items()]
        return ["dict", pairs]
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return [kind, [_packed(part, arrays) for part in value]]
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in _KINDS:
        arrays.append(np.asarray(value))
        form = [value.dtype.str, list(value.shape)]
        return ["array" if isinstance(value, np.ndarray) else "scalar", form]
    raise TypeError(f"no plain data: {type(value).__name__} {getattr(value, 'dtype', '')}")


class _Pipe:
    """Reads the answer of a child.

    Args:
        source: Where to read.
        deadline: Time by `time.monotonic` at which to stop.
        size: Bytes that an answer may have.
    """

    def __init__(self, source: int, deadline: float, size: int) -> None:
        self._source, self._deadline, self._left = source, deadline, size

    def answer(self) -> tuple[str, Any]:
        """Read the whole answer: its kind and its content.

        Raises:
            EOFError: The child ended before its answer did.
            TimeoutError: The time is over.
            ValueError: The answer is none.
        """
        size = int.from_bytes(self._read(8), "little")
        kind, content = json.loads(self._read(size))
        return kind, self._unpacked(content) if kind == "value" else content

    def _read(self, size: int) -> bytearray:
        self._left -= size
        if self._left < 0:
            raise ValueError("more than the child's memory")
        data = bytearray(size)
        place = memoryview(data)
        while place:
            remaining = max(0.0, self._deadline - time.monotonic())
            if not select.select([self._source], [], [], remaining)[0]:
                raise TimeoutError
            if not (count := os.readv(self._source, [place])):
                raise EOFError
            place = place[count:]
        return data

    def _unpacked(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        kind, content = value
        if kind == "bytes":
            return content.encode("latin1")
        if kind == "dict":
            return {self._unpacked(key): self._unpacked(part) for key, part in content}
        if kind in {"list", "tuple"}:
            parts = [self._unpacked(part) for part in content]
            return parts if kind == "list" else tuple(parts)
        dtype, shape = np.dtype(content[0]), content[1]
        if dtype.kind not in _KINDS:
            raise ValueError(f"no plain array: {dtype}")
        size = dtype.itemsize * int(np.prod(shape, dtype=object))
        array = np.ndarray(shape, dtype, self._read(size))
        return array if kind == "array" else array[()]


def _returned(kind: str, content: Any) -> Any:
    """Return the value that a child sent, or raise the error that it sent."""
    if kind == "value":
        return content
    if kind == "error":
        error = getattr(errors, content[0])
        raise errors.revive(error, tuple(content[1]))
    if kind == "system":
        raise OSError(*content)
    raise RuntimeError(f"in the child process that read the file:\n{content}")
