"""One seed, one result: settings of torch for equal bytes on one machine, and for speed."""

from __future__ import annotations

import hashlib
import os

import torch

from benchmark.core.errors import TrainingError
from benchmark.runtime.devices import keep_freed_memory

BROKEN = "2.9."
"""Releases of torch whose 3-D convolutions take many times the memory and time of others."""


def set_up_torch(seed: int, *, threads: int, deterministic: bool) -> None:
    """Seed torch's global generator, choose its kernels and keep the memory that tensors free.

    The number of CPU threads is part of the result: torch splits sums by it.

    Raises:
        TrainingError: This torch is known to be broken for 3-D networks.
    """
    if torch.__version__.startswith(BROKEN):
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

    Args:
        seed: Seed of the experiment.
        step: Number of the step over all epochs, from 0.
        number: Number of the micro-batch within the step, over all processes.
    """
    text = f"{seed}/pass/{step}/{number}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    # Keep 63 bits: a seed that is no negative int64.
    derived = int.from_bytes(digest, "big") >> 1
    # As torch.manual_seed does, but that also records the call stack for devices not in use.
    torch.default_generator.manual_seed(derived)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(derived)
