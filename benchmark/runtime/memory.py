"""Too little memory for a network: a message that names the setting that helps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from benchmark.core.errors import TrainingError

CPU_WORDS = "can't allocate memory"
"""What torch says where the machine itself has no more; it is a plain RuntimeError."""


@contextmanager
def lack_of_memory_named(
    experiment: str, recipe: str, *, section: str = "recipes"
) -> Iterator[None]:
    """Turn torch's errors about memory into one message.

    `recipe` is the experiment's entry of `section` in params.yaml.

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
            found=str(error).partition(". ")[0].strip(),
            do=f"Halve {section}.{recipe}.micro_batch_size: steps keep their batch_size and take"
            " more passes; or free the memory that other programs hold",
        ) from None  # fmt: skip
