"""Devices of networks: which GPU a worker uses, and how a CPU treats the memory of tensors."""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING

from benchmark.runtime.parallel import usable_cores, worker_number

if TYPE_CHECKING:
    import torch

PROCESSES_PER_GPU = 3
"""While one process decodes or encodes video, another computes."""
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt."""


def own_device() -> torch.device:
    """Return the GPU of this worker process, or the CPU limited to one thread.

    Workers share the GPUs in turn.
    """
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", worker_number() % torch.cuda.device_count())
    keep_freed_memory()
    # Threads split sums: with several, the bytes would depend on the number of workers.
    torch.set_num_threads(1)
    return torch.device("cpu")


def network_workers() -> int:
    """Return how many processes to spread the forward passes of an extractor over."""
    import torch

    if torch.cuda.is_available():
        return min(usable_cores(), PROCESSES_PER_GPU * torch.cuda.device_count())
    return usable_cores()


def keep_freed_memory() -> None:
    """Keep freed memory in this process, for the tensors of the next step.

    glibc returns large blocks to Linux, which has to fill them with zeros when the next step asks
    for them: up to a tenth of a step on a CPU. Other C libraries stay as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
