"""The training loop: one screen, no hooks."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from tqdm import tqdm

from benchmark.core.errors import TrainingError
from benchmark.evaluation.metrics import score
from benchmark.inference.forward import probabilities
from benchmark.runtime.distributed import all_gather, all_reduce_sum, any_rank
from benchmark.runtime.signals import StopSignals
from benchmark.training.checkpoint import Progress
from benchmark.training.monitor.meter import Meter
from benchmark.training.monitor.throughput import Utilization
from benchmark.training.state import build_state
from benchmark.training.task import TrainResult
from benchmark.training.train_step import Stepper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from lightning_fabric import Fabric
    from numpy.typing import NDArray

    from benchmark.data.loader import TrainBatch
    from benchmark.training.checkpoint import Checkpoints
    from benchmark.training.monitor.meter import Seen
    from benchmark.training.task import TrainSpec

log = logging.getLogger(__name__)

Row = dict[str, float]


def train(
    task: TrainSpec, fabric: Fabric, checkpoints: Checkpoints, report: Callable[[int, Row], None]
) -> TrainResult:
    """Train to the end, going on where an earlier call was stopped.

    `report(epoch, metrics)` is called for every epoch, also for those of an earlier call. Every
    process of `fabric` calls this; all return the same.

    Raises:
        TrainingError: The loss or the gradient is not finite; the clips are written down. Or the
            processes found different checkpoints.
        FormatError: The modality or the weights to start from cannot be read.
    """
    with StopSignals(fabric) as stopping:
        trainer = Trainer(task, fabric, checkpoints, stopping)
        trainer.resume()
        for row in trainer.progress.history:
            report(int(row["epoch"]), row)
        while not trainer.finished:
            row = trainer.epoch()
            report(trainer.progress.epoch, row)
        return trainer.finish()


class Trainer:
    """One training under way."""

    def __init__(
        self, task: TrainSpec, fabric: Fabric, checkpoints: Checkpoints, stopping: StopSignals
    ) -> None:
        self._recipe, self._fabric = task.recipe, fabric
        self._checkpoints, self._stopping = checkpoints, stopping
        self._parts = build_state(task, fabric)
        self._stepper = Stepper(self._parts, task.recipe, task.seed)
        self._val_labels = task.clips.split("val").labels()
        self._utilization = Utilization(self._parts, task.recipe)
        self._saved = time.monotonic()
        self.progress = Progress()

    # ---------------------------------------------------------------- stop and go

    def resume(self) -> None:
        """Take over the last checkpoint, if there is one.

        Raises:
            TrainingError: The processes found different ones; the first of them speaks for all.
        """
        saved = self._checkpoints.load()
        own = None if saved is None else (saved[0].epoch, saved[0].step)
        if len(set(found := all_gather(self._fabric, own))) > 1:
            if not self._fabric.is_global_zero:
                raise SystemExit(0)
            raise TrainingError(
                "checkpoint", "the processes do not go on from the same one",
                expected="one project on a disk that all nodes share",
                found="epoch and step of each process: " + ", ".join(map(str, found)),
                do="Share the disk, or remove .ckpt on every node to begin anew",
            )  # fmt: skip
        if saved is None:
            return
        self.progress, state = saved
        self._parts.load_state(state)
        if not self._fabric.is_global_zero:
            self.progress.sums = [0.0, 0.0, 0.0]  # the first process goes on with those of all
        done = f"step {self.progress.step} of epoch {self.progress.epoch + 1}"
        log.info("going on after %s of %d epochs", done, self._recipe.epochs)

    def _save(self) -> None:
        """Write a checkpoint: one process writes, all wait for it."""
        state, sums = self._parts.state(), self._sums().tolist()
        if self._fabric.is_global_zero:
            self._checkpoints.save(replace(self.progress, sums=sums), state)
        self._fabric.barrier()
        self._saved = time.monotonic()

    def _sums(self) -> torch.Tensor:
        """The sums of all processes."""
        return all_reduce_sum(self._fabric, torch.tensor(self.progress.sums, dtype=torch.float64))

    def _heed(self) -> None:
        """Between steps: save if it is time, and stop if any process was told to."""
        stop, save = any_rank(self._fabric, self._stopping.wanted, self._due())
        if stop or save:
            self._save()
        if stop:
            self._stopping.leave()

    @property
    def finished(self) -> bool:
        """Whether the last epoch, or the last one worth its time, is over."""
        done, patience = self.progress.epoch, self._recipe.select_checkpoint.patience
        stale = patience is not None and done - self.progress.best_epoch >= patience
        return done >= self._recipe.epochs or (done > 0 and stale)

    # ---------------------------------------------------------------- an epoch

    def epoch(self) -> Row:
        """Train and validate one epoch; its row of history.csv."""
        speed = self._pass_over_clips()
        self._heed()
        loss, right, clips = self._sums().tolist()
        row = {"train/loss": loss / clips, "train/top1": right / clips, **speed}
        self._advance(row, self._validate())
        self._save()
        return self.progress.history[-1]

    @cached_property
    def _batches(self) -> Iterator[TrainBatch]:
        """From here to the last epoch, as one: reading goes on while an epoch is validated."""
        order = self._parts.order
        order.epoch, order.first_step = self.progress.epoch, self.progress.step
        return iter(self._parts.batches)

    def _pass_over_clips(self) -> Row:
        """The steps of the epoch that are not done yet; what they say of speed and memory."""
        parts, progress = self._parts, self.progress
        meter = Meter(self._fabric.device, progress.sums)
        batches = meter.waiting(self._batches)
        bar = tqdm(
            range(progress.step, parts.order.steps),
            desc=f"epoch {progress.epoch + 1}/{self._recipe.epochs}",
            initial=progress.step, total=parts.order.steps, unit="step",
            disable=None if self._fabric.is_global_zero else True,
        )  # fmt: skip
        parts.model.train()
        for step in bar:
            number = progress.epoch * parts.order.steps + step
            self._stepper.step(number, batches, meter)
            progress.step = step + 1
            seen = meter.not_finite(before=number)
            failed, stop, save = any_rank(
                self._fabric, seen is not None, self._stopping.wanted, self._due()
            )
            if failed:
                self._fail(seen)
            if stop or save:
                progress.sums = meter.sums
                self._save()
            if stop:
                self._stopping.leave()
        seen = meter.not_finite(before=math.inf)
        if any(any_rank(self._fabric, seen is not None)):
            self._fail(seen)
        progress.sums = meter.sums
        return self._speed(meter)

    def _due(self) -> bool:
        return time.monotonic() - self._saved > 60 * self._recipe.checkpoint_minutes

    def _fail(self, own: Seen | None) -> NoReturn:
        """Stop at losses or gradients that are not finite, with the clips written down.

        Raises:
            TrainingError: In the first process, which speaks for all.
        """
        told = None if own is None else (own.name, own.step, own.value.item(), own.clips)
        found = [seen for seen in all_gather(self._fabric, told) if seen is not None]
        if not self._fabric.is_global_zero:
            raise SystemExit(0)
        # All processes have the gradient of all: the one whose loss it comes from is to blame.
        blamed = [seen for seen in found if seen[0] == "loss"] or found
        name, step, value, _ = blamed[0]
        clips = [clip for *_, some in blamed for clip in some]
        path = self._checkpoints.note_clips(step, name, value, clips)
        named = ", ".join(clips[:5])
        raise TrainingError(
            f"step {step}", f"the {name} is {value}; clips: {named}",
            do=f"All of its clips are in {path}. Lower the learning rate, or look at them",
        )  # fmt: skip

    # ---------------------------------------------------------------- validation

    def _validate(self) -> NDArray[np.float32]:
        """Probabilities of the validation clips, one view each, shared out to the processes."""
        own = probabilities(
            self._fabric, self._parts.kept, self._parts.val,
            views_at_once=self._recipe.micro_batch_size, check=self._heed,
        )  # fmt: skip
        # Every process asks as often as the one with the most batches: they answer together.
        most = -(-len(self._val_labels) // self._fabric.world_size)
        for _ in range(math.ceil(most / self._recipe.micro_batch_size) - len(self._parts.val)):
            self._heed()
        return self._parts.all_gather(own, len(self._val_labels))

    def _advance(self, row: Row, val: NDArray[np.float32]) -> None:
        """Count the epoch, keep its row, and its weights if they are the best so far."""
        progress, keep = self.progress, self._recipe.select_checkpoint
        metrics = score(val, self._val_labels)
        row["val/loss"] = metrics.log_loss
        row |= {f"val/{name}": getattr(metrics, name) for name in ("top1", "macro_f1", "mean_acc")}
        progress.epoch, progress.step, progress.sums = progress.epoch + 1, 0, [0.0, 0.0, 0.0]
        row["epoch"] = progress.epoch
        row["lr"] = max(float(group["lr"]) for group in self._parts.optimizer.param_groups)
        progress.history.append(row)
        log.info("epoch %d: %s", progress.epoch, {k: round(v, 4) for k, v in row.items()})
        if better := row[f"val/{keep.metric}"] > progress.best_value:
            progress.best_value, progress.best_epoch = row[f"val/{keep.metric}"], progress.epoch
            if keep.epoch == "best":
                progress.best_weights = _copied(self._parts.kept)
        if better or keep.epoch == "last":
            progress.val = torch.from_numpy(val)

    def _speed(self, meter: Meter) -> Row:
        """Clips a second of all processes, waiting time, and memory where there is a GPU."""
        own = meter.speed()
        clips_s = own["clips_s"] * self._fabric.world_size
        row = {"clips_s": clips_s, "wait_share": own["wait_share"]}
        row["mfu"] = self._utilization.of(clips_s)
        if self._fabric.device.type == "cuda":
            row["gpu_gib"] = torch.cuda.max_memory_allocated() / 2**30
        return row

    def finish(self) -> TrainResult:
        """The weights that the recipe keeps, and what they said of validation."""
        progress = self.progress
        assert progress.val is not None, "a recipe has an epoch"
        epoch, weights = progress.best_epoch, progress.best_weights
        if self._recipe.select_checkpoint.epoch == "last":
            epoch, weights = progress.epoch, _copied(self._parts.kept)
        return TrainResult(progress, weights, epoch, progress.val.numpy(), self._parts.start)


def _copied(model: torch.nn.Module) -> dict[str, Any]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
