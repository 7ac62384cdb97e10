"""The training loop: one screen, no hooks."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from lightning_fabric import Fabric
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from benchmark.errors import TrainingError
from benchmark.evaluation.metrics import score
from benchmark.models import build
from benchmark.training.checkpoint import Progress
from benchmark.training.forward import probabilities
from benchmark.training.loader import (
    EpochOrder,
    TestClips,
    TrainClips,
    build_views,
    test_loader,
    train_loader,
)
from benchmark.training.optimisation import build_optimizer, build_schedule
from benchmark.training.seeding import make_deterministic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.utils.data import DataLoader

    from benchmark.clips import Clips
    from benchmark.media_params import Media
    from benchmark.models.recogniser import Recogniser
    from benchmark.params import Experiment
    from benchmark.recipe_params import Recipe
    from benchmark.training.checkpoint import Checkpoints
    from benchmark.training.loader import Batch, Views

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """All that a training hangs on."""

    experiment: Experiment
    recipe: Recipe
    media: Media
    media_folder: Path
    clips: Clips
    num_classes: int
    seed: int


@dataclass(frozen=True)
class Trained:
    """The kept weights and what they say of validation, one view a clip."""

    progress: Progress
    weights: dict[str, torch.Tensor]
    epoch: int
    val: NDArray[np.float32]


def train(
    task: Task, checkpoints: Checkpoints, report: Callable[[int, dict[str, float]], None]
) -> Trained:
    """Train to the last epoch, going on where an earlier call was stopped.

    `report(epoch, metrics)` is called for every epoch, also for those of an earlier call.

    Raises:
        TrainingError: The loss is not finite; names the clips of the batch.
    """
    trainer = _Trainer(task)
    trainer.resume(checkpoints)
    for row in trainer.progress.history:
        report(int(row["epoch"]), row)
    while trainer.progress.epoch < task.recipe.epochs:
        row = trainer.epoch()
        checkpoints.save(trainer.progress, trainer.state())
        report(trainer.progress.epoch, row)
    return trainer.finish()


class _Trainer:
    """Network, optimiser, schedule and data of one training."""

    def __init__(self, task: Task) -> None:
        make_deterministic(task.seed, threads=task.recipe.threads)
        self._recipe = task.recipe
        self._fabric = Fabric(accelerator="auto", devices=1, precision=task.recipe.precision)
        views = build_views(
            task.experiment.input,
            task.media,
            task.media_folder,
            task.clips,
            cache_gib=task.recipe.cache_gib,
        )
        self._model = build(
            task.experiment.backbone,
            task.experiment.input,
            views.layout,
            num_classes=task.num_classes,
        )
        optimizer = build_optimizer(task.recipe, self._model)
        self._net, self._optimizer = self._fabric.setup(self._model, optimizer)
        self._order, self._batches, self._val = _batches(task, views)
        self._schedule = build_schedule(task.recipe, optimizer, len(self._order))
        self._val_labels = task.clips.split("val").labels()
        self.progress = Progress()

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds besides the progress."""
        return {"model": self._model.state_dict(), "optimizer": self._optimizer.state_dict()}

    def resume(self, checkpoints: Checkpoints) -> None:
        """Take over the last checkpoint, if there is one."""
        if (saved := checkpoints.load()) is None:
            return
        self.progress, state = saved
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        log.info("going on after epoch %d of %d", self.progress.epoch, self._recipe.epochs)

    def epoch(self) -> dict[str, float]:
        """Train and validate one epoch; its row of history.csv."""
        self._order.epoch = self.progress.epoch
        row = self._pass() | _validation(self._validate(), self._val_labels)
        _advance(self.progress, row, self._model)
        return row

    def finish(self) -> Trained:
        """Load the weights that the recipe keeps and score them once more."""
        epoch = self.progress.epoch
        if self._recipe.keep == "best":
            self._model.load_state_dict(self.progress.best_weights)
            epoch = self.progress.best_epoch
        weights = {name: tensor.detach().cpu() for name, tensor in self._model.state_dict().items()}
        return Trained(self.progress, weights, epoch, self._validate())

    def _validate(self) -> NDArray[np.float32]:
        return probabilities(self._fabric, self._net, self._val)

    def _pass(self) -> dict[str, float]:
        """One pass over the training clips."""
        self._net.train()
        began, first = time.perf_counter(), self.progress.epoch * len(self._batches)
        title = f"epoch {self.progress.epoch + 1}/{self._recipe.epochs}"
        total_loss, correct, seen = 0.0, 0, 0
        bar = tqdm(self._batches, desc=title, unit="step", disable=None)
        for step, batch in enumerate(bar, start=first):
            self._schedule.step_update(step)
            logits, label, loss = self._step(batch, step)
            total_loss += loss * len(label)
            correct += int((logits.argmax(1) == label).sum())
            seen += len(label)
        return {
            "train/loss": total_loss / seen,
            "train/top1": correct / seen,
            "lr": max(float(group["lr"]) for group in self._optimizer.param_groups),
            "clips_s": seen / (time.perf_counter() - began),
        }

    def _step(self, batch: Batch, step: int) -> tuple[Tensor, Tensor, float]:
        """One update: logits (B, K), labels (B,), loss."""
        x, label = self._fabric.to_device((batch.x[:, 0], batch.label))
        logits = self._net(x)
        loss = cross_entropy(logits, label, label_smoothing=self._recipe.label_smoothing)
        if not torch.isfinite(loss):
            clips = ", ".join(batch.clip_id)
            raise TrainingError(f"step {step}", f"the loss is {loss.item()}; clips: {clips}")
        self._fabric.backward(loss)
        if self._recipe.grad_clip is not None:
            self._fabric.clip_gradients(self._net, self._optimizer, max_norm=self._recipe.grad_clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return logits.detach(), label, loss.item()


def _batches(task: Task, views: Views) -> tuple[EpochOrder, DataLoader[Any], DataLoader[Any]]:
    """Order and batches of training, and batches of validation, over the same views."""
    recipe, train_clips, val_clips = task.recipe, task.clips.split("train"), task.clips.split("val")
    order = EpochOrder(len(train_clips), recipe.batch_size, recipe.repeats, task.seed)
    workers = recipe.loader_workers
    return (
        order,
        train_loader(TrainClips(views, train_clips, task.seed), order, workers=workers),
        test_loader(
            TestClips(views, val_clips, quick=True), batch_size=recipe.batch_size, workers=workers
        ),
    )


def _validation(p: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    metrics = score(p, labels)
    return {"val/loss": metrics.log_loss, "val/top1": metrics.top1}


def _advance(progress: Progress, row: dict[str, float], model: Recogniser) -> None:
    """Count the epoch, keep its row, and its weights if they are the best so far."""
    progress.epoch += 1
    row["epoch"] = progress.epoch
    progress.history.append(row)
    log.info("epoch %d: %s", progress.epoch, {k: round(v, 4) for k, v in row.items()})
    if row["val/top1"] > progress.best_top1:
        progress.best_top1, progress.best_epoch = row["val/top1"], progress.epoch
        progress.best_weights = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
