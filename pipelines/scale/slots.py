"""Slots: GPUs of this host or other hosts, each for one job at a time, by file locks."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core.errors import ParamsError
from benchmark.runtime.parallel import claimed
from pipelines.scale.launchers import Job, Slots, Ssh

if TYPE_CHECKING:
    from contextlib import ExitStack


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
        raise ParamsError(
            "launch.yaml", f"{job.name} needs {count} slots; there are {len(slots)}"
        )  # fmt: skip
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
