"""One seed, one result: what torch needs for equal bytes on one machine, and to be quick."""

from __future__ import annotations

import hashlib
import os

import torch

from benchmark.core.errors import TrainingError
from benchmark.runtime.devices import is_slow_torch
from benchmark.runtime.malloc import keep_freed_memory


def set_up_torch(seed: int, *, threads: int, deterministic: bool) -> None:
    """Seed torch's global generator, choose its kernels and keep the memory that they free.

    The number of CPU threads belongs to the result: sums are split by it. Where CUDA has no
    repeatable kernel (the gradient of a 3-D max pooling), torch warns and takes the one it has:
    a recipe that runs on a CPU runs on a GPU too.

    Raises:
        TrainingError: This torch is known to be broken for 3-D networks.
    """
    if is_slow_torch(torch.__version__):
        raise TrainingError(
            "torch",
            f"{torch.__version__} is slow and hungry in 3-D convolutions",
            do="Install the version of requirements.lock, or any but 2.9",
        )
    keep_freed_memory()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(deterministic, warn_only=torch.cuda.is_available())
    # It would write NaN into every new tensor first; nothing here reads memory before filling it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.cudnn.benchmark = not deterministic
    # TF32, as cuDNN's convolutions take by default.
    torch.set_float32_matmul_precision("highest" if deterministic else "high")


def seed_micro_batch(seed: int, step: int, number: int) -> None:
    """Seed what is random in one forward pass (dropout, drop path, mixup).

    It hangs on the pass alone: not on the process that makes it, nor on whether training was
    stopped before.
    """
    text = f"{seed}/pass/{step}/{number}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    number = int.from_bytes(digest, "big") >> 1
    # What torch.manual_seed does, which also writes down the call stack for devices not in use.
    torch.default_generator.manual_seed(number)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(number)
