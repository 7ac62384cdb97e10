"""Start the command of a stage where launch.yaml says, and wait for it.

DVC starts `python -m pipelines.train ...` on its own host, always: its locks hold nowhere else. If
launch.yaml exists, that process only launches the same command on another machine, passes its
output, signals and exit code on, and ends with it. Nothing of it is hashed: where a stage ran does
not make it stale.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection
from contextlib import ExitStack, suppress
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from shutil import which
from types import FrameType
from typing import IO, Any

import click
from pydantic import Field

from benchmark.core.errors import ParamsError
from benchmark.core.parent import die_with_parent
from benchmark.core.schema import Strict, load_yaml, read_yaml, validate
from benchmark.runtime.parallel import HELPER, claimed
from pipelines.scale.graph import kind_of
from pipelines.scale.launchers import AnyLauncher, Job, Resources, Sbatch, Slots, Ssh, log_of
from pipelines.scale.state import LAUNCHED, TABLE, launched_mark

SLOTS = "MGBENCH_SLOTS"


def take(launcher: Any, job: Job, stack: ExitStack) -> dict[str, str] | None:
    """Take free slots until `stack` closes; return the variables that name them to the job.

    None: too few are free now.

    Most launchers have no slots, and take what comes. All projects of this user on this host share
    the slots of one.

    Raises:
        ParamsError: The job needs more than there are.
    """
    if isinstance(launcher, Slots):
        slots, count = launcher.gpus, job.needs.gpus
    elif isinstance(launcher, Ssh):
        slots, count = launcher.hosts, 1
    else:
        return {}
    if count > len(slots):
        raise ParamsError("launch.yaml", f"{job.name} needs {count} slots; there are {len(slots)}")
    folder = Path(tempfile.gettempdir()) / f"mgbench-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    free: list[str] = []
    for slot in slots:
        if len(free) < count and stack.enter_context(claimed(folder / slot.replace("/", "_"))):
            free.append(slot)
    if len(free) < count:
        stack.close()  # all or none: two jobs with half of what they need would wait for ever
        return None
    names = ",".join(free)
    variable = "CUDA_VISIBLE_DEVICES" if isinstance(launcher, Slots) else SLOTS
    return {variable: names}


SETTING = Path("launch.yaml")
VARIABLE = "MGBENCH_LAUNCH"
"""Names another file, or one of the kinds that need no settings: srun, sbatch, ray, here."""
PASSED_ON = ("DVC_STAGE", "DVC_ROOT")
"""Variables that a job gets on its command line, which others can read: never one with a secret."""
SHARED_OUT = ("prepare", "windows", "pretrain", "train")
"""Kinds of stages of which several processes can share the work."""
NEVER_STARTED = (125, 126, 127)
"""Exit codes of `env`: no such folder, or no such program."""
POLL_SECONDS = 0.2
ASK_SECONDS = 3
"""Between two questions to an engine whether a job still runs."""
PATIENCE_SECONDS = 90
"""For a stopped job to save what it has, before its client is killed."""


class Settings(Strict):
    """launch.yaml."""

    launcher: AnyLauncher
    head: str | None = None
    """Name under which the nodes of a training reach this host; by default its host name."""
    resources: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Changes to resources.yaml, by kind of stage or by stage."""


def is_wanted() -> bool:
    """Tell whether this process is a stage under DVC that a launcher may start elsewhere."""
    environment = os.environ
    wanted = VARIABLE in environment or SETTING.is_file()
    return wanted and "DVC_STAGE" in environment and LAUNCHED not in environment


def read_settings() -> Settings:
    """Read launch.yaml, or what the environment names.

    Raises:
        ParamsError: It breaks its schema, or its program is not installed.
    """
    word = os.environ.get(VARIABLE, "")
    path = Path(word or SETTING)
    if word and not path.is_file():
        settings = validate(Path(VARIABLE), {"launcher": {"kind": word}}, Settings)
    else:
        settings = read_yaml(path, Settings)
    for stage in settings.resources:
        resources_of(stage, settings)  # refuses keys and values that are none
    program = settings.launcher.program
    if program and which(program) is None:
        kind = settings.launcher.kind
        do = f"Install it, or choose another launcher in {SETTING}"
        raise ParamsError(path, f"launcher '{kind}' needs '{program}', which is not here", do=do)
    return settings


def resources_of(stage: str, settings: Settings) -> Resources | None:
    """Return what a stage needs; None if it is light and runs where DVC does.

    Raises:
        ParamsError: launch.yaml asks for what does not exist, or for processes that cannot share.
    """
    table = load_yaml(TABLE)
    kind = kind_of(stage)
    changes = {**settings.resources.get(kind, {}), **settings.resources.get(stage, {})}
    if kind not in table and not changes:
        return None
    fallback = {"cores": 1, "gpus": 0, "memory_gib": 4, "hours": 12}
    where = Path(f"{SETTING}, resources.{stage}")
    needs = validate(where, {**fallback, **table.get(kind, {}), **changes}, Resources)
    if needs.processes > 1 and kind not in SHARED_OUT:
        wrong = f"{stage}: {needs.processes} processes"
        raise ParamsError(SETTING, wrong, expected="1, except for " + " and ".join(SHARED_OUT))
    return needs


def check_stages(stages: Collection[str]) -> None:
    """Make sure that launch.yaml, where there is one, names stages of this project alone.

    Raises:
        ParamsError: It does not, or it breaks its schema.
    """
    if VARIABLE not in os.environ and not SETTING.is_file():
        return
    known = {*stages, *map(kind_of, stages), *load_yaml(TABLE)}
    for name in read_settings().resources:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            do = f"Did you mean '{near[0]}'?" if near else "'mgbench graph' lists the stages"
            raise ParamsError(SETTING, f"resources: no stage '{name}'", do=do)


def launch_stage(module: str, arguments: list[str]) -> int | None:
    """Launch this stage; return its exit code, or None if this process is to do the work."""
    stage = os.environ["DVC_STAGE"]
    settings = read_settings()
    needs = resources_of(stage, settings)
    if needs is None or (settings.launcher.kind == "here" and needs.processes == 1):
        return None
    command = (sys.executable, "-m", module, *arguments)
    environment = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
    name = f"mgbench-{stage.replace('@', '-')}-{os.getpid()}"
    with ExitStack() as stack:
        environment |= stack.enter_context(launched_mark(name))
        helps = needs.processes > 1 and not stage.startswith(("pretrain@", "train@"))
        if helps:
            environment[HELPER] = "1"
        elif needs.processes > 1:
            command = _over_nodes(command, stage, settings, needs, stack)
        jobs = [Job(f"{name}-{k}", command, environment, needs) for k in range(needs.processes)]
        code = _Crew(settings.launcher, jobs).work()
    # The helpers made the shards; what is left, their index, is written here.
    return None if helps and code == 0 else code


def _over_nodes(
    command: tuple[str, ...], stage: str, settings: Settings, needs: Resources, stack: ExitStack
) -> tuple[str, ...]:
    # Puts torchrun before a training on several nodes: `needs.processes`. `stack` closes the store
    # at which they meet.
    from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

    near = settings.launcher.kind in {"here", "slots"}
    head = settings.head or ("127.0.0.1" if near else socket.gethostname())
    # Port 0: the system chooses a free one. The store lives as long as this process.
    store: Any = TCPStore(head, 0, is_master=True, wait_for_workers=False)
    stack.callback(lambda: store)
    return (
        sys.executable, "-m", "pipelines.scale.launch", f"--nnodes={needs.processes}",
        f"--nproc-per-node={needs.ranks or max(1, needs.gpus)}", "--rdzv-backend=c10d",
        f"--rdzv-endpoint={head}:{store.port}", "--rdzv-conf=is_host=0", "--max-restarts=0",
        f"--rdzv-id={stage}-{os.getpid()}", *command[1:],
    )  # fmt: skip


class _Crew:
    """The jobs of one stage: all of them end well, or all of them end."""

    def __init__(self, launcher: Any, jobs: list[Job]) -> None:
        self._launcher, self._waiting = launcher, jobs
        self._busy: list[_Launched] = []
        self._signal = 0

    def work(self) -> int:
        """Start every job as soon as there is a slot for it, and wait; return the exit code."""
        before = {n: signal.signal(n, self._note) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            while (self._waiting or self._busy) and not self._signal:
                self._start()
                for launched in [job for job in self._busy if job.ended()]:
                    self._busy.remove(launched)
                    if code := launched.code():
                        return code
                time.sleep(POLL_SECONDS)
            return 128 + self._signal if self._signal else 0
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number

    def _start(self) -> None:
        while self._waiting:
            job = self._waiting[0]
            with ExitStack() as stack:
                taken = take(self._launcher, job, stack)
                if taken is None:
                    return  # until another job ends, of this stage or of another one
                self._waiting.pop(0)
                self._busy.append(_Launched(self._launcher, job, taken, stack.pop_all()))

    def _end(self) -> None:
        for launched in self._busy:
            launched.stop()
        until = time.monotonic() + PATIENCE_SECONDS
        for launched in self._busy:
            launched.wait(until)


class _Launched:
    """A job that was started, and the slots that it holds."""

    def __init__(self, launcher: Any, job: Job, taken: dict[str, str], held: ExitStack) -> None:
        job = job._replace(environment=job.environment | taken)
        self._launcher, self._job, self._held = launcher, job, held
        self._log: IO[bytes] | None = None
        self._outcome: bool | None = None
        self._ask_at = 0.0
        self._path = Path(log_of(job))
        if isinstance(launcher, Sbatch):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            launcher.start(job), stdin=subprocess.DEVNULL,
            # Ctrl-C reaches this process alone, which ends the job as its launcher needs it.
            start_new_session=True, preexec_fn=partial(die_with_parent, os.getpid()),
        )  # fmt: skip

    def ended(self) -> bool:
        """Pass new output on; tell whether the job is over."""
        over = self._process.poll() is not None
        self._pass_on()
        if over and self._process.returncode == 0:
            over = self._is_confirmed()
        if over:
            self._held.close()
        return over

    def _is_confirmed(self) -> bool:
        """Ask the engine, now and then, how the job ended whose client ended well."""
        if time.monotonic() < self._ask_at:
            return False
        self._outcome = self._launcher.outcome(self._job)
        self._ask_at = time.monotonic() + ASK_SECONDS
        return self._outcome is not None

    def code(self) -> int:
        """Return the exit code, and say what one means that no stage returns."""
        code = self._process.returncode
        code = 128 - code if code < 0 else code
        if code == 0 and not self._outcome:
            code = 128 + signal.SIGTERM
        if code not in {0, 1, 2}:
            why = "lost, stopped from outside or refused"
            do = "Run the same command again: the stage resumes"
            if code in NEVER_STARTED:
                why = f"{Path.cwd()} or {sys.executable} is not on that machine"
                do = "Give all machines one disk with both: docs/scale.md"
            message = f"{self._launcher.kind}: {self._job.name} ended with exit code {code}: {why}"
            click.echo(f"Error: {message}. {do}", err=True)
        return code

    def stop(self) -> None:
        if cancel := self._launcher.cancel(self._job):
            with suppress(OSError):
                subprocess.run(cancel, check=False, stdout=subprocess.DEVNULL)
        if not isinstance(self._launcher, Sbatch):  # which waits for the end of its job
            self._process.terminate()

    def wait(self, until: float) -> None:
        """Wait for the end; after `until`, kill what is here of it."""
        while self._process.poll() is None and time.monotonic() < until:
            self._pass_on()
            time.sleep(POLL_SECONDS)
        self._process.kill()
        self._process.wait()
        self._pass_on()
        self._held.close()

    def _pass_on(self) -> None:
        if self._log is None and isinstance(self._launcher, Sbatch) and self._path.is_file():
            self._log = self._held.enter_context(self._path.open("rb"))
        if self._log is not None and not self._log.closed:
            sys.stdout.buffer.write(self._log.read())
            sys.stdout.flush()


def _be_node() -> None:
    """Be torchrun, without its traceback: a rank that fails has said why."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    try:
        main()
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        sys.exit(code if code > 0 else 128 - code)  # below zero: the signal that ended the rank


if __name__ == "__main__":
    _be_node()
