"""Where the networks of extractors run: each worker process on a GPU of its own, in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.runtime.malloc import keep_freed_memory
from benchmark.runtime.parallel import usable_cores, worker_number

if TYPE_CHECKING:
    import torch

PROCESSES_A_GPU = 3
"""While one decodes or encodes, another computes."""
SLOW_TORCH = "2.9."
"""Releases whose 3-D convolutions need far more memory and time (pytorch#166122)."""


def is_slow_torch(version: str) -> bool:
    """Tell whether a release of torch is unfit for 3-D networks."""
    return version.startswith(SLOW_TORCH)


def own_device() -> torch.device:
    """The GPU of this process, or the CPU with one thread.

    Several threads add up in another order: the bytes would depend on the number of workers.
    """
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", worker_number() % torch.cuda.device_count())
    keep_freed_memory()
    torch.set_num_threads(1)
    return torch.device("cpu")


def network_workers() -> int:
    """How many processes a network should be spread over."""
    import torch

    if torch.cuda.is_available():
        return min(usable_cores(), PROCESSES_A_GPU * torch.cuda.device_count())
    return usable_cores()
