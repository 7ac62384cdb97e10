"""What a command does before it imports anything heavy: it follows its starter and hears Ctrl-C.

A stage follows the process that started it: if that one dies, the stage stops, because it would
otherwise write its outputs beside the next run. Which process that is:

- Under DVC it is `dvc` itself, also if a shell stands between the two.
- Under torchrun, and in the processes that Fabric starts per GPU, it is the launcher.
- srun, ssh, make or a program of yours are followed like these two.
- A shell is not: a stage started by hand may outlive its terminal. Nor is anything followed under
  nohup, which asks for just that.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from functools import cache
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn

INTERRUPTED = "Interrupted. Finished work is kept; run the same command again to resume"
SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "fish", "ksh", "csh", "tcsh"})


@cache
def follow_starter() -> None:
    """Stop this process by SIGTERM when the process that started it is gone."""
    from benchmark.core.parent import die_with_parent  # after `interrupt` hears Ctrl-C

    parent = os.getppid()
    in_dvc = "DVC_STAGE" in os.environ
    by_hand = _name(parent) in SHELLS or signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    if by_hand and not in_dvc and "LOCAL_RANK" not in os.environ:
        return
    die_with_parent(parent)
    if in_dvc and _name(parent) in SHELLS:
        # Not every shell becomes the command that it starts.
        while _name(parent) in SHELLS and parent > 1:
            stat = Path(f"/proc/{parent}/stat").read_text("utf-8")
            parent = int(stat.rpartition(")")[2].split()[1])
        threading.Thread(target=_stop_after, args=(parent,), daemon=True).start()
    if in_dvc and _adopts(parent):
        os.kill(os.getpid(), signal.SIGTERM)  # DVC died while Python started


def _stop_after(process: int) -> None:
    try:
        select.select([os.pidfd_open(process)], [], [])
    finally:  # also if it is gone already
        os.kill(os.getpid(), signal.SIGTERM)


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text("utf-8").strip()
    except OSError:  # no Linux, or a process that has just ended
        return ""


def _adopts(process: int) -> bool:
    """Tell whether a process is one that Linux gives orphans to, and not DVC in a container."""
    name = _name(process)
    return name == "systemd" or (process == 1 and not name.startswith(("dvc", "python")))


def is_command() -> bool:
    """Tell whether this process is a stage or `mgbench`, not a test or a worker."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    stage = spec is not None and spec.name.startswith("pipelines.")
    return stage or Path(sys.argv[0]).name == "mgbench"


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Leave at once with one line: Ctrl-C while modules load, or while Python shuts down.

    An exception would not do. Modules in C make other errors of it, and it shows a traceback.
    """
    os.write(2, f"{INTERRUPTED}\n".encode())
    os._exit(128 + signal.SIGINT)


def no_memory(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in one line that a library does not fit into memory; show other errors as Python does.

    Modules load before any command can catch it.
    """
    if not issubclass(kind, ImportError) or "failed to map segment" not in str(error):
        sys.__excepthook__(kind, error, trace)
        return
    sys.stdout.flush()
    os.write(2, f"Error: memory: {error}. Free some and run it again\n".encode())
    os._exit(2)


if is_command():
    sys.excepthook = no_memory
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # a shell's & ignores it
        signal.signal(signal.SIGINT, interrupt)
    follow_starter()
