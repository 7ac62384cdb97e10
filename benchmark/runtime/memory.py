"""Too little memory for a network: a message that names the setting that helps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from benchmark.core.errors import TrainingError

if TYPE_CHECKING:
    from benchmark.params.recipes import Optimization

CPU_WORDS = "can't allocate memory"
"""What torch says where the machine itself has no more; it is a plain RuntimeError."""


@contextmanager
def lack_of_memory_named(experiment: str, entry: str, recipe: Optimization) -> Iterator[None]:
    """Turn torch's errors about memory into one message.

    `entry` is where params.yaml holds the recipe, as in recipes.pose.

    Raises:
        TrainingError: The memory of the GPU or of the machine is not enough.
    """
    try:
        yield
    except RuntimeError as error:
        on_gpu = isinstance(error, torch.OutOfMemoryError)
        if not on_gpu and CPU_WORDS not in str(error):
            raise
        place = "GPU" if on_gpu else "machine"
        raise TrainingError(
            experiment, f"does not fit into the memory of this {place}",
            found=str(error).partition(". ")[0].strip(), do=_advice(entry, recipe),
        ) from None  # fmt: skip


def _advice(entry: str, recipe: Optimization) -> str:
    now = recipe.micro_batch_size
    if now == 1:
        change = f"{entry}.micro_batch_size is 1 already: set recompute of a Video Swin to true"
    else:
        less = largest_part(recipe.batch_size, now // 2)
        change = (
            f"Set {entry}.micro_batch_size to {less} (it is {now}): steps keep their"
            f" {recipe.batch_size} clips and take more passes"
        )
    return f"{change}; or free the memory that other programs hold, and run the command again"


def largest_part(whole: int, most: int) -> int:
    """Return the largest part of at most `most` that divides a whole; at least 1."""
    return next((size for size in range(min(whole, most), 0, -1) if whole % size == 0), 1)
