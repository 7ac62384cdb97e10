"""What one process of a training works on, whatever the network learns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric
    from torch import Tensor
    from torch.utils.data import DataLoader

    from benchmark.data.loader import TrainBatch
    from benchmark.training.monitor.meter import Meter
    from benchmark.training.optimizer import ModelEma
    from benchmark.training.sampler import ClipBatchSampler
    from benchmark.training.train_step import BatchNormStatistics


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
        """Restore what `state_dict` returned."""
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        if self.ema is not None:
            self.ema.module.load_state_dict(saved["ema"])
        self.fabric.strategy.precision.load_state_dict(saved["precision"])
