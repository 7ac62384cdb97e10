"""Tries in a forked child: a try that dies, hangs or eats all memory costs only itself."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import select
import signal
import time
from collections.abc import Iterator

from .tries import Attempt, Tried, guarded

HANG_SECONDS = 20.0
BATCH = 250
"""Tries per child: what one try leaves in memory does not pile up."""
MEMORY = 4 * 2**30
"""Bytes that a child may take beyond what it has at its start."""


def forked_attempts(attempt: Attempt, seeds: range, until: float) -> Iterator[tuple[int, Tried]]:
    """Do the tries of `seeds` in children, up to the time `until` (monotonic seconds)."""
    place = 0
    while place < len(seeds) and time.monotonic() < until:
        batch = seeds[place : place + BATCH]
        for seed, tried in _one_child(attempt, batch, until):
            place += 1
            yield seed, tried


def _one_child(attempt: Attempt, seeds: range, until: float) -> Iterator[tuple[int, Tried]]:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _work(attempt, seeds, writer)
    os.close(writer)
    done = 0
    try:
        with os.fdopen(reader, encoding="utf-8") as lines:
            while done < len(seeds) and time.monotonic() < until:
                started = time.monotonic()
                if not select.select([lines], [], [], HANG_SECONDS)[0]:
                    yield seeds[done], Tried("in a child", f"hang: more than {HANG_SECONDS:.0f} s")
                    return
                # The child writes a line per try and flushes it, so that readline never waits.
                line = lines.readline()
                if not line:
                    status = os.waitpid(child, 0)[1]
                    child = 0
                    name = _status_name(status)
                    yield seeds[done], Tried(f"after {time.monotonic() - started:.1f} s", name)
                    return
                yield seeds[done], Tried(*json.loads(line))
                done += 1
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _work(attempt: Attempt, seeds: range, writer: int) -> None:
    """Do the tries in this child, and leave without the parent's clean-up."""
    faulthandler.disable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What libraries print from C belongs to the try, not to the table.
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    for seed in seeds:
        os.write(writer, (json.dumps(guarded(attempt, seed)) + "\n").encode())
    os._exit(0)


def _status_name(status: int) -> str:
    if os.WIFSIGNALED(status):
        return f"signal {signal.Signals(os.WTERMSIG(status)).name}"
    return f"the process left with {os.waitstatus_to_exitcode(status)}"
