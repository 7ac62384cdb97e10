"""Commands that run in a project, and the processes that they leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MARK = "MGBENCH_CAMPAIGN"
"""Variable of the environment by which every process of a try is known."""
_marks: set[str] = set()
"""Marks of this process's tries."""
BIN = Path(sys.executable).parent
SIGNS = ("Traceback (most recent call last)", "Fatal Python error", "panicked at", "core dumped")


class Done(NamedTuple):
    """A command that ended, or was ended."""

    rc: int
    out: str
    seconds: float
    timed_out: bool = False

    @property
    def fault(self) -> str:
        """What no command may do: hang, die, or show a traceback; empty if it did nothing of it."""
        if self.timed_out:
            return f"hang: more than {self.seconds:.0f} s\n{self.out[-1500:]}"
        if self.rc < 0 or self.rc in {134, 135, 136, 139}:
            number = -self.rc if self.rc < 0 else self.rc - 128
            return f"signal {signal.Signals(number).name}\n{self.out[-1500:]}"
        if any(sign in self.out for sign in SIGNS):
            return f"traceback: {last_error(self.out)}\n{self.out[-2500:]}"
        if self.rc and not self.out.strip():
            return f"no message, exit code {self.rc}"
        return ""


def last_error(text: str) -> str:
    """Return the last line of a traceback, which names the error."""
    lines = [
        line.strip() for line in text.splitlines() if line and not line.startswith((" ", "\t"))
    ]
    errors = [
        line for line in lines if line.split(":")[0].endswith(("Error", "Exception", "Refused"))
    ]
    return (errors or lines or [""])[-1][:120]


def environment(root: Path, more: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return the environment of a user of the project in `root`; None in `more` unsets a name."""
    variables: dict[str, str | None] = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "PYTHONPATH": str(root),
        MARK: uuid.uuid4().hex,
        **(more or {}),
    }
    _marks.add(str(variables[MARK]))
    return {key: value for key, value in variables.items() if value is not None}


def kill_everything() -> None:
    """Kill every process that a try of this process left."""
    for mark in _marks:
        kill_all(mark)


def run(
    root: Path,
    *command: str | Path,
    variables: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
    timeout: float = 180,
    stdout: int | None = None,
) -> Done:
    """Run a command in a project to its end, with its errors among its output.

    Args:
        root: The project.
        command: The command and its arguments.
        variables: The environment; that of a user of the project if not given.
        before: What the child does before it becomes the command, such as to set limits.
        timeout: Seconds after which everything that it started is killed.
        stdout: A file instead of the collected output.
    """
    variables = dict(variables or environment(root))
    started = time.monotonic()
    child = subprocess.Popen(
        [*map(str, command)],
        cwd=root,
        env=variables,
        preexec_fn=before,
        start_new_session=True,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.STDOUT if stdout is None else subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        out, error = child.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        kill_all(variables[MARK])
        out, error = child.communicate()
        return Done(child.returncode, (out or "") + (error or ""), timeout, timed_out=True)
    return Done(child.returncode, (out or "") + (error or ""), time.monotonic() - started)


def alive(mark: str) -> dict[int, str]:
    """Return the processes of a try that still live, with their commands."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                command = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                found[int(folder.name)] = command.strip()
    return found


def kill_all(mark: str) -> None:
    """Kill every process of a try."""
    for process in alive(mark):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
