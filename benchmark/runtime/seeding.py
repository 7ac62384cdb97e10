"""One seed, one result: settings of torch for equal bytes on one machine, and for speed.

torch is imported inside the functions: the doctor asks about its release without loading it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys

from benchmark.core.errors import TrainingError

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


def set_up_torch(seed: int, *, threads: int, deterministic: bool) -> None:
    """Seed torch's global generator, choose its kernels and keep the memory that tensors free.

    The number of CPU threads is part of the result: torch splits sums by it.

    Raises:
        TrainingError: This torch is known to be broken for 3-D networks.
    """
    import torch

    if is_slow_torch(torch.__version__):
        raise TrainingError(
            "torch",
            f"3-D convolutions of {torch.__version__} are slow and take too much memory",
            do="Install the version of requirements.lock, or any but 2.9",
        )
    keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    # CUDA lacks some repeatable kernels (the gradient of a 3-D max pooling). There torch warns
    # instead of failing, so that a recipe that runs on a CPU runs on a GPU too.
    torch.use_deterministic_algorithms(deterministic, warn_only=torch.cuda.is_available())
    # Deterministic mode fills every new tensor with NaN. No code here reads memory before filling
    # it, so that would only cost time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.cudnn.benchmark = not deterministic
    # "high" allows TF32 in matrix products, as cuDNN's convolutions do by default.
    torch.set_float32_matmul_precision("highest" if deterministic else "high")


def seed_micro_batch(seed: int, step: int, number: int) -> None:
    """Seed the random draws of one micro-batch (dropout, drop path, mixup).

    The seed depends neither on the process that computes the micro-batch nor on earlier stops.

    Steps count over all epochs, micro-batches within a step over all processes; both from 0.
    """
    import torch

    text = f"{seed}/pass/{step}/{number}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    # Keep 63 bits: a seed that is no negative int64.
    derived = int.from_bytes(digest, "big") >> 1
    # As torch.manual_seed does, but that also records the call stack for devices not in use.
    torch.default_generator.manual_seed(derived)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(derived)
