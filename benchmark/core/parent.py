"""Let a process die with its parent. Imports nothing heavy: it acts before anything else does."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

_report: Callable[[str], None] | None = None

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int, number: int = signal.SIGTERM) -> None:
    """Ask Linux to send a signal to this process when its parent dies, or send it now.

    An orphan would continue and write its outputs after DVC has given the stage up. `parent` may
    have died before Linux was asked, which says nothing then; but there is another parent.
    """
    if sys.platform == "linux":
        import ctypes

        # Linux sends it when the thread that started this process ends, not only with the process.
        ctypes.CDLL("libc.so.6", use_errno=True).prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def report_reads(report: Callable[[str], None]) -> None:
    """Let `reads` call `report`: a parent that knows the file can name it if this process crashes.

    FFmpeg and other libraries in C may end the process on a hostile file.
    """
    global _report
    _report = report


def reads(file: object) -> None:
    """Tell the parent of this worker process which file it reads from now on."""
    if _report is not None:
        _report(str(file))
