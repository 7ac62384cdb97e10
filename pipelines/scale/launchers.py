"""What starts the command of a stage: this host, its GPUs, SLURM, another host, or Ray."""

from __future__ import annotations

import math
import shlex
import subprocess
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeAlias

from pydantic import BeforeValidator, Field

from benchmark.core.schema import Strict


class Resources(Strict):
    """What one launched process needs, and how many are launched; resources.yaml says more."""

    cores: Annotated[int, Field(ge=1)]
    gpus: Annotated[int, Field(ge=0)]
    memory_gib: Annotated[float, Field(gt=0)]
    hours: Annotated[float, Field(gt=0)]
    processes: Annotated[int, Field(ge=1)] = 1
    ranks: Annotated[int, Field(ge=1)] | None = None
    """Ranks of a training per node; one per GPU if None."""


class Job(NamedTuple):
    """One process to launch."""

    name: str
    """No two jobs that run at once have the same."""
    command: tuple[str, ...]
    environment: dict[str, str]
    """What it needs besides the environment of the machine on which it runs."""
    needs: Resources

    def spelled(self) -> list[str]:
        """Return a command that also enters this folder and sets the environment."""
        sets = [f"{key}={value}" for key, value in sorted(self.environment.items())]
        return ["env", "-C", str(Path.cwd()), *sets, *self.command]


class Launcher(Strict):
    """Base: how to start a job, and how to end one whose client is gone."""

    program: ClassVar[str] = ""
    """What must be installed here."""
    options: tuple[str, ...] = ()
    """More arguments for the program."""

    def start(self, job: Job) -> list[str]:
        """Return the command that starts the job and waits for its end."""
        return job.spelled()

    def cancel(self, job: Job) -> list[str]:
        """Return the command that ends the job; none if ending the client does."""
        return []

    def outcome(self, job: Job) -> bool | None:
        """Tell whether a job whose client ended well did so itself; None while it still runs."""
        return True


class Here(Launcher):
    """This host, as DVC itself would do it."""

    kind: Literal["here"]


def _texts(numbers: Any) -> Any:
    """Take the number of a GPU for its name."""
    if not isinstance(numbers, list):
        return numbers
    return tuple(str(one) if type(one) is int else one for one in numbers)


class Slots(Launcher):
    """This host; each job waits until as many of these GPUs are free as it needs."""

    kind: Literal["slots"]
    gpus: Annotated[tuple[str, ...], BeforeValidator(_texts), Field(min_length=1)]
    """As CUDA_VISIBLE_DEVICES names them, which `launch` sets: numbers, or UUIDs."""


class _Slurm(Launcher):
    def _asked(self, job: Job) -> list[str]:
        needs = job.needs
        asked = [
            f"--job-name={job.name}", "--nodes=1", "--ntasks=1", f"--cpus-per-task={needs.cores}",
            f"--mem={math.ceil(needs.memory_gib * 1024)}M", f"--time={math.ceil(needs.hours * 60)}",
        ]  # fmt: skip
        return [*asked, *([f"--gpus={needs.gpus}"] if needs.gpus else []), *self.options]


class Srun(_Slurm):
    """SLURM, a job step that is connected to this terminal."""

    kind: Literal["srun"]
    program: ClassVar[str] = "srun"

    def start(self, job: Job) -> list[str]:
        return ["srun", "--unbuffered", *self._asked(job), *job.spelled()]


class Sbatch(_Slurm):
    """SLURM, a batch job that needs no connection."""

    kind: Literal["sbatch"]
    program: ClassVar[str] = "sbatch"

    def start(self, job: Job) -> list[str]:
        log = f"--output={log_of(job)}"
        # A job that SLURM requeues by itself would run beside the next call of this stage.
        fixed = ["sbatch", "--wait", "--quiet", "--no-requeue", "--open-mode=append", log]
        return [*fixed, *self._asked(job), f"--wrap=exec {shlex.join(job.spelled())}"]

    def cancel(self, job: Job) -> list[str]:
        """Return `scancel`; SLURM sends SIGTERM, and SIGKILL some time later."""
        return ["scancel", f"--name={job.name}"]


class Ssh(Launcher):
    """Other hosts that see this folder under the same path; each takes one job at a time."""

    kind: Literal["ssh"]
    program: ClassVar[str] = "ssh"
    hosts: Annotated[tuple[str, ...], Field(min_length=1)]

    def start(self, job: Job) -> list[str]:
        """Return `ssh` and the command; `launch` puts the host into the environment."""
        host = job.environment["MGBENCH_SLOTS"]
        # The other end runs a shell, which `exec` replaces: sshd is the parent that is followed.
        far = f"exec {shlex.join(job.spelled())}"
        return ["ssh", "-o", "BatchMode=yes", *self.options, "--", host, far]


class Ray(Launcher):
    """A Ray cluster whose nodes see this folder under the same path."""

    kind: Literal["ray"]
    program: ClassVar[str] = "ray"
    address: str = "http://127.0.0.1:8265"

    def start(self, job: Job) -> list[str]:
        needs = job.needs
        asked = [
            f"--entrypoint-num-cpus={needs.cores}", f"--entrypoint-num-gpus={needs.gpus}",
            f"--entrypoint-memory={math.ceil(needs.memory_gib * 2**30)}",
        ]  # fmt: skip
        where = [f"--address={self.address}", f"--submission-id={job.name}"]
        return ["ray", "job", "submit", *where, *asked, *self.options, "--", *job.spelled()]

    def cancel(self, job: Job) -> list[str]:
        return ["ray", "job", "stop", f"--address={self.address}", job.name]

    def outcome(self, job: Job) -> bool | None:
        """Ask Ray, whose client ends with 0 where a job was stopped or a connection closed, too."""
        status = ["ray", "job", "status", f"--address={self.address}", job.name]
        done = subprocess.run(status, capture_output=True, text=True, check=False)
        told = (done.stdout + done.stderr).lower()
        if "succeeded" in told:
            return True
        return None if "running" in told or "pending" in told else False


AnyLauncher: TypeAlias = Annotated[
    Here | Slots | Srun | Sbatch | Ssh | Ray, Field(discriminator="kind")
]


def log_of(job: Job) -> str:
    """Return the file that collects the output of a batch job."""
    return f".run/logs/{job.name}.out"
