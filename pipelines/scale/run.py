"""Run the stages that are out of date side by side: GNU make schedules, DVC runs each stage."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType

import click

from benchmark.core.errors import BenchmarkError
from benchmark.core.parent import die_with_parent
from pipelines.scale import step
from pipelines.scale.graph import STEP, Graph, makefile, order_lock, recorded
from pipelines.scale.plan import schedule
from pipelines.scale.state import FOLDER, LOGS, one_host, only_one, read_seconds

EVENTS = FOLDER / "events"
REFRESH_SECONDS = 0.5
LINES_OF_LOG = 12


def run(graph: Graph, jobs: int, targets: Collection[str] = ()) -> int:
    """Run what is out of date, with at most `jobs` stages at once; return the exit code.

    `targets` are as `Graph.to_run` takes them.

    Raises:
        BenchmarkError: Another host or run works in this folder, or make is not installed.
    """
    todo = graph.to_run(targets)
    if not todo:
        click.echo("every stage is up to date: nothing to do")
        return 0
    if (make := shutil.which("make")) is None:
        raise BenchmarkError("make", "is not installed", do="Install GNU make, or use 'dvc repro'")
    with one_host(), only_one("mgbench run"):
        before = recorded(Path.cwd())
        shutil.rmtree(LOGS, ignore_errors=True)
        LOGS.mkdir(parents=True)
        EVENTS.unlink(missing_ok=True)
        board = _Board(graph, todo, jobs)
        code = _make(make, makefile(graph.upstream, todo), board)
        order_lock(Path.cwd(), before, list(graph.upstream))
    return board.close(code)


def _make(make: str, text: str, board: _Board) -> int:
    """Let make run a makefile, and show what happens on the board; return the exit code."""
    words = [sys.executable, "-I", "-S", str(step.__file__), str(EVENTS), str(LOGS)]
    recorder = shlex.join(words).replace("$", "$$")
    # Without the variables of a make above: its job server is for its own jobs.
    environment = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MFLAGS"}}
    options = ["--keep-going", f"--jobs={board.jobs}", "--silent", f"{STEP}={recorder}"]
    command = [make, *options, "-f", "-"]
    stopped: list[int] = []
    begun: list[subprocess.Popen[str]] = []

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.append(number)
        # To make, DVC and the commands alike, as a terminal does: DVC itself waits for its command.
        for process in begun:
            os.killpg(process.pid, signal.SIGINT)

    # Before make starts: a signal that is ignored here, as SIGINT is behind nohup, would be ignored
    # by make too, and nothing could stop it.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=environment, text=True, start_new_session=True,
            preexec_fn=partial(die_with_parent, os.getpid()),
        )  # fmt: skip
        begun.append(process)
        if stopped:
            stop(stopped[0], None)
        assert process.stdin is not None
        # A make that ends at once has closed its end; its exit code says so below.
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(text)
        while process.poll() is None:
            board.update()
            time.sleep(REFRESH_SECONDS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    board.update()
    return 128 + stopped[0] if stopped else process.returncode


class _Board:
    """What is done, what runs, what waits, and how long it will take."""

    def __init__(self, graph: Graph, todo: list[str], jobs: int) -> None:
        self._upstream, self._todo, self.jobs = graph.upstream, todo, jobs
        known = read_seconds()
        usual = sorted(known.values())[len(known) // 2] if known else 60.0
        self._known = bool(known)
        self._seconds = {stage: known.get(stage, usual) for stage in todo}
        self._running: dict[str, float] = {}
        self._codes: dict[str, int] = {}
        self._read = 0

    def update(self) -> None:
        """Read what has happened and show it; only a terminal gets the line that changes."""
        text = EVENTS.read_text("utf-8") if EVENTS.is_file() else ""
        whole = text.rfind("\n") + 1
        for line in text[self._read : whole].splitlines():
            word, stage, *rest = line.split()
            if word == "begin":
                self._running[stage] = float(rest[0])
            else:
                self._end(stage, int(rest[0]), float(rest[1]))
        self._read = whole
        if sys.stderr.isatty():
            self._status(self._line())

    def _end(self, stage: str, code: int, at: float) -> None:
        took = at - self._running.pop(stage)
        self._codes[stage] = code
        self._status("")
        word = "done  " if code == 0 else "FAILED"
        place = f"{len(self._codes)} of {len(self._todo)}"
        click.echo(f"{word} {stage:<28} {clock(took):>8}   {place}")

    def _line(self) -> str:
        now = time.time()
        names = ", ".join(f"{s} {clock(now - t)}" for s, t in self._running.items())
        left = [stage for stage in self._todo if stage not in self._codes]
        rest = {
            stage: max(5.0, self._seconds[stage] - (now - self._running.get(stage, now)))
            for stage in left
        }
        until = schedule(self._upstream, left, rest, slots=self.jobs).makespan
        about = f", about {clock(until)} left" if self._known else ""
        waiting = len(left) - len(self._running)
        return f"{len(self._codes)}/{len(self._todo)} done; {names}; {waiting} wait{about}"

    def _status(self, line: str) -> None:
        if sys.stderr.isatty():
            width = shutil.get_terminal_size().columns - 1
            click.echo(f"\r\033[K{line[:width]}", err=True, nl=False)

    def close(self, code: int) -> int:
        """Say how it ended; return the exit code."""
        self._status("")
        failed = [stage for stage, its in self._codes.items() if its]
        left = [stage for stage in self._todo if stage not in self._codes]
        for stage in failed:
            log = LOGS / f"{stage}.log"
            click.echo(f"\n{stage} failed; the end of {log}:", err=True)
            for line in log.read_text("utf-8", "replace").splitlines()[-LINES_OF_LOG:]:
                click.echo(f"  {line}", err=True)
        if left:
            click.echo(f"not run: {', '.join(left)}", err=True)
        if code > 128:
            click.echo("Interrupted. Run the same command again to resume", err=True)
        elif not failed and not left:
            click.echo("every stage is up to date")
        return code if code > 128 else bool(failed or left)


def clock(seconds: float) -> str:
    """Write a duration as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
