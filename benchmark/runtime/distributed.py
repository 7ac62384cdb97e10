"""Which devices train together: one process for each, through Lightning Fabric."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmark.core.errors import TrainingError
from benchmark.runtime.fabric import DDPStrategy, Fabric, MixedPrecision, Precision

if TYPE_CHECKING:
    from benchmark.params.recipes import Recipe


class InnerPrecision(MixedPrecision):
    """Half precision inside the network alone.

    Fabric's casts what goes in as well: keypoints in bfloat16 lie up to an eighth of a pixel off.
    Nor does it know half precision on a CPU: it would take bfloat16 in its place.
    """

    def convert_input(self, data: Any) -> Any:
        """As it is."""
        return data


def launch(recipe: Recipe) -> Fabric:
    """The processes of one training: what `torchrun` started, else one for each visible GPU.

    Without a GPU it is this process alone. `CUDA_VISIBLE_DEVICES` chooses among GPUs.

    Raises:
        TrainingError: The forward passes of a step cannot be shared out evenly.
    """
    local, nodes = _shape()
    total = local * nodes
    if recipe.micro_batches % total:
        raise TrainingError(
            f"{total} processes",
            f"a step has {recipe.micro_batches} forward passes, which they cannot share evenly",
            expected="batch_size / micro_batch_size to be a multiple of the processes",
            do="Change the recipe, or choose GPUs with CUDA_VISIBLE_DEVICES",
        )
    # Buffers are equal already: `RunningStatistics` sees to it once a step.
    strategy = DDPStrategy(forward_sync_buffers=False) if total > 1 else "auto"
    fabric = Fabric(
        accelerator=_accelerator(),
        devices=local,
        num_nodes=nodes,
        strategy=strategy,
        plugins=_precision(recipe),
    )
    fabric.launch()
    return fabric


def alone(recipe: Recipe) -> Fabric:
    """This process with one device."""
    return Fabric(accelerator=_accelerator(), devices=1, plugins=_precision(recipe))


def _accelerator() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _precision(recipe: Recipe) -> Precision:
    if recipe.precision == "32-true":
        return Precision()
    return InnerPrecision(recipe.precision, _accelerator())


def all_reduce_sum(fabric: Fabric, own: Tensor) -> Tensor:
    """The sum over all processes, on this one's device."""
    if fabric.world_size == 1:
        return own
    found = fabric.all_reduce(own.to(fabric.device), reduce_op="sum")
    assert isinstance(found, Tensor)
    return found


def any_rank(fabric: Fabric, *own: bool) -> tuple[bool, ...]:
    """Of each question whether any process says yes, so that all do the same."""
    if fabric.world_size == 1:
        return own
    yes = torch.tensor(own, dtype=torch.int32)
    torch.distributed.all_reduce(yes, group=_between_cpus())
    return tuple(found > 0 for found in yes.tolist())


@cache
def _between_cpus() -> Any:
    """What is asked at every step goes past the devices: they would have to end their work."""
    return torch.distributed.new_group(backend="gloo")


def all_gather(fabric: Fabric, own: Any) -> list[Any]:
    """What each process says, in their order."""
    if fabric.world_size == 1:
        return [own]
    found: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(found, own)
    return found


def device_name(device: torch.device) -> str:
    """What the device calls itself, such as NVIDIA H100 80GB HBM3; cpu for a CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _shape() -> tuple[int, int]:
    """Processes of this machine, and machines."""
    if "LOCAL_WORLD_SIZE" in os.environ:
        local = int(os.environ["LOCAL_WORLD_SIZE"])
        return local, int(os.environ["WORLD_SIZE"]) // local
    return max(torch.cuda.device_count(), 1), 1
