"""What networks need of a machine: a sound release of torch, memory that stays theirs."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt."""
SLOW_TORCH = "2.9."
"""Releases whose 3-D convolutions need far more memory and time (pytorch#166122)."""


def is_slow_torch(version: str) -> bool:
    """Tell whether a release of torch is unfit for 3-D networks."""
    return version.startswith(SLOW_TORCH)


def keep_freed_memory() -> None:
    """Keep freed memory in this process, for the tensors of the next step.

    glibc returns large blocks to Linux, which has to fill them with zeros when the next step asks
    for them: up to a tenth of a step on a CPU. Other C libraries stay as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
