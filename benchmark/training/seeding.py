"""One seed, one result: what torch needs for equal bytes on one machine."""

from __future__ import annotations

import os

import torch


def make_deterministic(seed: int, *, threads: int) -> None:
    """Seed torch's global generator and refuse nondeterministic kernels.

    The number of CPU threads belongs to the result: sums are split by it.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # It would write NaN into every new tensor first; nothing here reads memory before filling it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.cudnn.benchmark = False
