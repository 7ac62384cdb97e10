"""What the C library does with memory that a tensor no longer needs."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt."""


def keep_freed_memory() -> None:
    """Keep freed memory in this process, for the tensors of the next step.

    glibc hands large blocks back to Linux, which has to fill them with zeros when the next step
    asks for them: up to a tenth of a step on a CPU. Other C libraries stay as they are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)
