"""What one process of a training works on, whatever the network learns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.data.loader import TrainBatch, TrainClips, train_loader
from benchmark.training.optimizer import build_ema, build_optimizer, is_block
from benchmark.training.sampler import ClipBatchSampler
from benchmark.training.train_step import BatchNormStatistics

if TYPE_CHECKING:
    import numpy as np
    import torch
    from lightning_fabric import Fabric
    from numpy.typing import NDArray
    from torch import Tensor, nn
    from torch.utils.data import DataLoader

    from benchmark.params.recipes import Optimization
    from benchmark.training.monitor.meter import Meter
    from benchmark.training.optimizer import ModelEma

VARIANTS = 512
"""Most compiled forms of the blocks of a network."""


@dataclass(frozen=True)
class StepState(ABC):
    """Network, optimizer and clips of one process."""

    fabric: Fabric
    recipe: Any
    """An `Optimization`; its kind is the training's."""
    seed: int
    model: Any
    """A module with a `preprocessor`."""
    net: Any
    """`model` wrapped by Fabric: runs in the recipe's precision and averages gradients (DDP)."""
    ema: ModelEma | None
    optimizer: torch.optim.Optimizer
    full_lrs: tuple[float, ...]
    """Learning rate of each parameter group before warm-up and schedule."""
    batch_norms: BatchNormStatistics
    sampler: ClipBatchSampler
    batches: DataLoader[TrainBatch]
    initial_weights: str
    """Which weights training started from, in one line."""

    @abstractmethod
    def micro_batch_loss(self, step: int, batch: TrainBatch, meter: Meter) -> Tensor:
        """Run the network on a micro-batch; return its mean loss, and add it to `meter`."""

    def drop_frozen_gradients(self, step: int) -> None:  # noqa: B027 - most trainings freeze nothing
        """Drop the gradients of what this step leaves as it is."""

    @property
    def evaluated(self) -> Any:
        """The network that is validated and saved: the EMA, where the recipe has one."""
        return self.model if self.ema is None else self.ema.module

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds besides the progress."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": None if self.ema is None else self.ema.module.state_dict(),
            # The scale of the loss under 16-mixed; empty otherwise.
            "precision": self.fabric.strategy.precision.state_dict(),
        }

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.ema is not None:
            self.ema.module.load_state_dict(saved["ema"])
        self.fabric.strategy.precision.load_state_dict(saved["precision"])


def compile_blocks(model: nn.Module, *, backend: str = "inductor") -> list[str]:
    """Compile each block of a network for shapes that do not change; return the blocks' names.

    On a GPU the preprocessor is one of them. Names and tensors of the network stay. An EMA of it is
    not compiled.
    """
    import torch
    import torch._dynamo.config as dynamo
    import torch._inductor.config as inductor

    # `set_up_torch` does not load the compiler to tell it.
    inductor.deterministic = torch.are_deterministic_algorithms_enabled()
    # Blocks differ in shape and drop rate, and see full and last micro-batches, in training and in
    # validation. Past this number torch would go on without compiling.
    dynamo.recompile_limit = max(dynamo.recompile_limit, VARIANTS)
    dynamo.accumulated_recompile_limit = max(dynamo.accumulated_recompile_limit, VARIANTS)
    modules = dict(model.named_modules())
    blocks = [name for name in modules if is_block(name)]
    inner = [one for one in blocks if not any(name.startswith(one + ".") for name in blocks)]
    parts = inner or ["backbone"]
    # A GPU draws heat maps pixel by pixel, in many passes over memory; a CPU in loops of its own.
    if torch.cuda.is_available():
        parts = ["preprocessor", *parts]
    for name in parts:
        modules[name].compile(dynamic=False, backend=backend)
    return parts


def shared_fields(
    recipe: Optimization, model: nn.Module, clips: TrainClips, labels: NDArray[np.int64],
    *, seed: int, fabric: Fabric,
) -> dict[str, Any]:  # fmt: skip
    """Build the fields of a `StepState` that every training has, but for `initial_weights`.

    Args:
        recipe: How to optimize.
        model: With its initial weights; Fabric moves it to this process's device.
        clips: What is trained on.
        labels: Class index of each clip, int64 (N,), by which the sampler draws.
        seed: Of the training.
        fabric: The processes.

    Raises:
        TrainingError: There are fewer clips than a step has micro-batches.
    """
    if recipe.compiled:
        compile_blocks(model)
    optimizer = build_optimizer(recipe, model)
    full_lrs = tuple(float(group["lr"]) for group in optimizer.param_groups)
    net, optimizer = fabric.setup(model, optimizer)
    rank, world = fabric.global_rank, fabric.world_size
    sampler = ClipBatchSampler(labels, recipe, seed, rank=rank, world=world)
    return {
        "fabric": fabric, "recipe": recipe, "seed": seed, "model": model, "net": net,
        "ema": build_ema(recipe, model), "optimizer": optimizer, "full_lrs": full_lrs,
        "batch_norms": BatchNormStatistics(model, recipe.micro_batches, fabric),
        "sampler": sampler,
        "batches": train_loader(clips, sampler, workers=recipe.loader_workers),
    }  # fmt: skip
