"""The parts of a training, built from its task."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.data.loader import TestClips, TrainClips, build_views, test_loader, train_loader
from benchmark.models.network import build
from benchmark.runtime.distributed import all_gather
from benchmark.runtime.seeding import set_up_torch
from benchmark.training.batch_norms import RunningStatistics
from benchmark.training.losses import Loss
from benchmark.training.optimizer import build_optimizer
from benchmark.training.sampler import ClipBatchSampler
from benchmark.weights.initial import load_initial_weights

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric
    from numpy.typing import NDArray
    from torch.utils.data import DataLoader

    from benchmark.data.loader import TestBatch, TrainBatch
    from benchmark.models.recognizer import Recognizer
    from benchmark.params.recipes import Recipe
    from benchmark.training.ema import Ema
    from benchmark.training.task import TrainSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainState:
    """Network, optimizer and clips of one process."""

    fabric: Fabric
    model: Recognizer
    net: Any
    """`model` as Fabric runs it: precision, and gradients shared between processes."""
    mean: Ema | None
    optimizer: torch.optim.Optimizer
    rates: tuple[float, ...]
    """Full learning rate of each parameter group."""
    loss: Loss
    statistics: RunningStatistics
    order: ClipBatchSampler
    batches: DataLoader[TrainBatch]
    val: DataLoader[TestBatch]
    start: str

    @property
    def kept(self) -> Recognizer:
        """The network that is validated and kept."""
        return self.model if self.mean is None else self.mean.module

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds besides the progress."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "mean": None if self.mean is None else self.mean.module.state_dict(),
            "precision": self.fabric.strategy.precision.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.mean is not None:
            self.mean.module.load_state_dict(state["mean"])
        self.fabric.strategy.precision.load_state_dict(state["precision"])

    def all_gather(self, own: NDArray[np.float32], number: int) -> NDArray[np.float32]:
        """Rows that were dealt to the processes in turn, in order again: (number, K)."""
        parts = all_gather(self.fabric, own)
        found = np.empty((number, max(part.shape[1] for part in parts)), np.float32)
        for rank, part in enumerate(parts):
            if len(part):
                found[rank :: len(parts)] = part
        return found


def build_state(task: TrainSpec, fabric: Fabric) -> TrainState:
    """Everything that a training needs, on this process's device.

    Raises:
        FormatError: The modality or the weights to start from cannot be read.
        TrainingError: There are fewer clips than a step has passes.
    """
    recipe, labels = task.recipe, task.clips.split("train").labels()
    set_up_torch(task.seed, threads=recipe.threads, deterministic=recipe.deterministic)
    experiment = task.experiment
    views = build_views(
        experiment.input,
        task.modality,
        task.modality_folder,
        task.clips,
        cache_gib=recipe.cache_gib,
    )
    model = build(
        experiment.backbone, experiment.input, views.layout, num_classes=len(task.classes)
    )
    start = load_initial_weights(task.init_folder, model, task.classes)
    log.info("start: %s", start)
    optimizer = build_optimizer(recipe, model)
    rates = tuple(float(group["lr"]) for group in optimizer.param_groups)
    net, optimizer = fabric.setup(model, optimizer)
    rank, world = fabric.global_rank, fabric.world_size
    order = ClipBatchSampler(labels, recipe, task.seed, rank=rank, world=world)
    train_clips = TrainClips(views, task.clips.split("train"), task.seed)
    val_clips = TestClips(views, task.clips.split("val").ids[rank::world], quick=True)
    workers = recipe.loader_workers
    return TrainState(
        fabric=fabric,
        model=model,
        net=net,
        mean=_mean_weights(recipe, model),
        optimizer=optimizer,
        rates=rates,
        loss=Loss(recipe, labels, len(task.classes), fabric.device),
        statistics=RunningStatistics(model, recipe.micro_batches, fabric),
        order=order,
        batches=train_loader(train_clips, order, workers=workers),
        val=test_loader(val_clips, batch_size=recipe.micro_batch_size, workers=workers),
        start=start,
    )


def _mean_weights(recipe: Recipe, model: Recognizer) -> Ema | None:
    if recipe.ema is None:
        return None
    from benchmark.training.ema import Ema  # timm takes most of a second

    return Ema(model, decay=recipe.ema.decay)
