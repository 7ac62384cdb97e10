"""Processes that train together, one per device, through Lightning Fabric."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.core.errors import TrainingError

if TYPE_CHECKING:
    from benchmark.params.recipes import Optimization


@contextmanager
def _replaced(module: str, stand_in: ModuleType | None) -> Iterator[None]:
    """Let imports of `module` find `stand_in`, or fail as if it were not installed."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = stand_in  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        del sys.modules[module]


def _no_compiler() -> ModuleType:
    module = ModuleType("torch._dynamo")
    module.OptimizedModule = type("OptimizedModule", (torch.nn.Module,), {})  # pyright: ignore[reportAttributeAccessIssue]
    return module


# Fabric imports torchmetrics, where it is installed, only to compare its version for a class that
# is not used here. That import takes longer than torch's. It imports torch's compiler, which takes
# nearly as long as the rest of torch, only to recognize networks that torch.compile returned.
with _replaced("torchmetrics", None), _replaced("torch._dynamo", _no_compiler()):
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.plugins.precision import MixedPrecision, Precision
    from lightning_fabric.strategies.ddp import DDPStrategy


class InnerPrecision(MixedPrecision):
    """Half precision inside the network alone.

    Fabric's own class casts the network's input as well: keypoints in bfloat16 are off by up to an
    eighth of a pixel. It also replaces float16 by bfloat16 on a CPU.
    """

    def convert_input(self, data: Any) -> Any:
        return data


def launch(recipe: Optimization) -> Fabric:
    """Join or start the processes of one training.

    Under `torchrun` they are the ones that it started. Without it Fabric starts one process per
    visible GPU (`CUDA_VISIBLE_DEVICES` chooses among them), and a CPU trains in this process.

    Raises:
        TrainingError: The micro-batches of a step cannot be dealt evenly to the processes.
    """
    local, nodes = _processes_and_nodes()
    total = local * nodes
    if recipe.micro_batches % total:
        raise TrainingError(
            f"{total} processes",
            f"a step has {recipe.micro_batches} micro-batches, which they cannot share evenly",
            expected="batch_size / micro_batch_size to be a multiple of the number of processes",
            do="Change the recipe, or choose GPUs with CUDA_VISIBLE_DEVICES",
        )
    # The only buffers that change are those of batch norms, and `BatchNormStatistics` makes them
    # equal at the end of each step. DDP would broadcast rank 0's before every forward pass.
    strategy = DDPStrategy(forward_sync_buffers=False) if total > 1 else "auto"
    fabric = Fabric(
        accelerator=_accelerator(), devices=local, num_nodes=nodes, strategy=strategy,
        plugins=_plugins(recipe),
    )  # fmt: skip
    fabric.launch()
    return fabric


def alone(recipe: Optimization) -> Fabric:
    """Return a Fabric of this process alone, with one device."""
    return Fabric(accelerator=_accelerator(), devices=1, plugins=_plugins(recipe))


def _plugins(recipe: Optimization) -> list[Any]:
    plugins: list[Any] = [Precision()]
    if recipe.precision != "32-true":
        plugins = [InnerPrecision(recipe.precision, _accelerator())]
    if "LOCAL_WORLD_SIZE" not in os.environ:
        # In a job of SLURM, Fabric would take SLURM's tasks for its processes: one, on many GPUs.
        plugins.append(LightningEnvironment())
    return plugins


def _accelerator() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _processes_and_nodes() -> tuple[int, int]:
    """Return the number of processes per node and the number of nodes."""
    if "LOCAL_WORLD_SIZE" in os.environ:
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return local, int(os.environ["WORLD_SIZE"]) // local
    return max(torch.cuda.device_count(), 1), 1


def all_reduce_sum(fabric: Fabric, value: Tensor) -> Tensor:
    """Sum a tensor over all processes, on this process's device."""
    if fabric.world_size == 1:
        return value
    total = fabric.all_reduce(value.to(fabric.device), reduce_op="sum")
    assert isinstance(total, Tensor)
    return total


def any_rank(fabric: Fabric, *flags: bool) -> tuple[bool, ...]:
    """Tell for each flag whether it is set in any process, so that all processes do the same."""
    if fabric.world_size == 1:
        return flags
    counts = torch.tensor(flags, dtype=torch.int32)
    torch.distributed.all_reduce(counts, group=_cpu_group())
    return tuple(count > 0 for count in counts.tolist())


@cache
def _cpu_group() -> Any:
    # A group of gloo beside NCCL's: flags are exchanged after every step, and an exchange through
    # NCCL would make the CPU wait until the GPU has finished that step.
    return torch.distributed.new_group(backend="gloo")


def all_gather(fabric: Fabric, value: Any) -> list[Any]:
    """Return the picklable values of all processes, in the order of their ranks."""
    if fabric.world_size == 1:
        return [value]
    values: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def all_gather_rows(fabric: Fabric, rows: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return all rows in order, after rank r computed rows r, r + world_size, ...

    `rows` is this process's share, float32 (n, K), (0, 0) for none; `count` that of all.
    """
    parts = all_gather(fabric, rows)
    gathered = np.empty((count, max(part.shape[1] for part in parts)), np.float32)
    for rank, part in enumerate(parts):
        if len(part):
            gathered[rank :: len(parts)] = part
    return gathered


def device_name(device: torch.device) -> str:
    """Return the name of a GPU, such as NVIDIA H100 80GB HBM3, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
