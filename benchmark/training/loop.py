"""The training loop: epochs, validation, checkpoints. `train_step` holds what a step does."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

import torch
from tqdm import tqdm

from benchmark.core.errors import TrainingError
from benchmark.evaluation.metrics import score
from benchmark.inference.forward import probabilities
from benchmark.runtime.distributed import all_gather, all_gather_rows, all_reduce_sum, any_rank
from benchmark.runtime.signals import StopSignals
from benchmark.training.checkpoint import Progress
from benchmark.training.monitor.meter import Meter
from benchmark.training.monitor.progress import Countdown
from benchmark.training.monitor.throughput import Utilization
from benchmark.training.state import TrainResult, build_state
from benchmark.training.train_step import train_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from lightning_fabric import Fabric
    from numpy.typing import NDArray

    from benchmark.data.loader import TrainBatch
    from benchmark.training.checkpoint import Checkpoints
    from benchmark.training.monitor.meter import Measured
    from benchmark.training.state import TrainSpec

log = logging.getLogger(__name__)

Row = dict[str, float]


def train(
    spec: TrainSpec, fabric: Fabric, checkpoints: Checkpoints, report: Callable[[int, Row], None]
) -> TrainResult:
    """Train to the end, from the last checkpoint if there is one.

    Every process of `fabric` calls this, and all return the same.

    Args:
        spec: What to train.
        fabric: The processes and their devices.
        checkpoints: Where to save and resume.
        report: Called with number and metrics of every epoch, also of those before a stop.

    Raises:
        TrainingError: The loss or the gradient is not finite, or the processes found different
            checkpoints.
        FormatError: The prepared data or the initial weights cannot be read.
    """
    with StopSignals(fabric) as signals:
        trainer = Trainer(spec, fabric, checkpoints, signals)
        trainer.resume()
        countdown = Countdown(trainer.progress.epoch, spec.recipe.epochs)
        for row in trainer.progress.history:
            report(int(row["epoch"]), row)
        while not trainer.finished:
            row = trainer.epoch()
            if fabric.is_global_zero:
                log.info(countdown.line(row))
            report(trainer.progress.epoch, row)
        return trainer.result()


class Trainer:
    """One training in progress."""

    def __init__(
        self, spec: TrainSpec, fabric: Fabric, checkpoints: Checkpoints, signals: StopSignals
    ) -> None:
        self._recipe, self._fabric = spec.recipe, fabric
        self._checkpoints, self._signals = checkpoints, signals
        self._state = build_state(spec, fabric)
        self._val_labels = spec.clips.split("val").labels()
        self._utilization = Utilization(self._state)
        self._saved = time.monotonic()
        self.progress = Progress()

    def resume(self) -> None:
        """Restore the last checkpoint, if there is one.

        Raises:
            TrainingError: The processes found different ones; rank 0 raises it for all.
        """
        saved = self._checkpoints.load()
        position = None if saved is None else (saved[0].epoch, saved[0].step)
        if len(set(positions := all_gather(self._fabric, position))) > 1:
            if not self._fabric.is_global_zero:
                raise SystemExit(0)
            raise TrainingError(
                "checkpoint", "ranks found different checkpoints",
                found="(epoch, step) of each rank: " + ", ".join(map(str, positions)),
                do="Put the project on a file system that all nodes share, or delete .ckpt on "
                "every node to start over",
            )  # fmt: skip
        if saved is None:
            if self._fabric.is_global_zero and (others := self._checkpoints.others()):
                log.warning("beginning anew, not from %s", "; ".join(others))
            return
        self.progress, state = saved
        self._state.load_state_dict(state)
        if not self._fabric.is_global_zero:
            # The checkpoint holds the sums of all processes; rank 0 alone continues with them.
            self.progress.sums = [0.0, 0.0, 0.0]
        done = f"step {self.progress.step} of epoch {self.progress.epoch + 1}"
        log.info("resuming after %s of %d epochs", done, self._recipe.epochs)

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or `patience` epochs brought no better one."""
        done, patience = self.progress.epoch, self._recipe.select_checkpoint.patience
        stale = patience is not None and done - self.progress.best_epoch >= patience
        return done >= self._recipe.epochs or (done > 0 and stale)

    def epoch(self) -> Row:
        """Train and validate one epoch; return its metrics."""
        speed = self._train_epoch()
        self._save_or_stop()
        loss, correct, clips = self._sums().tolist()
        row = {"train/loss": loss / clips, "train/top1": correct / clips, **speed}
        self._end_epoch(row, self._validate())
        self._save()
        return self.progress.history[-1]

    def _train_epoch(self) -> Row:
        """Take the remaining steps of the epoch; return speed and memory."""
        state, progress = self._state, self.progress
        meter = Meter(self._fabric.device, progress.sums)
        batches = meter.timed(self._batches)
        bar = tqdm(
            range(progress.step, state.sampler.steps),
            desc=f"epoch {progress.epoch + 1}/{self._recipe.epochs}",
            initial=progress.step, total=state.sampler.steps, unit="step",
            disable=None if self._fabric.is_global_zero else True,
        )  # fmt: skip
        state.model.train()
        for step in bar:
            number = progress.epoch * state.sampler.steps + step
            train_step(state, number, batches, meter)
            progress.step = step + 1
            # Losses of earlier steps only: asking for that of this step would wait for the device.
            bad = meter.not_finite(before=number)
            failed, stop, save = any_rank(
                self._fabric, bad is not None, self._signals.wanted, self._due()
            )
            if failed:
                self._fail(bad)
            if stop or save:
                progress.sums = meter.sums
                self._save()
            if stop:
                self._signals.leave()
        bad = meter.not_finite(before=math.inf)
        if any(any_rank(self._fabric, bad is not None)):
            self._fail(bad)
        progress.sums = meter.sums
        return self._speed(meter)

    @cached_property
    def _batches(self) -> Iterator[TrainBatch]:
        # One iterator to the last epoch, so that workers read ahead while an epoch is validated.
        sampler = self._state.sampler
        sampler.epoch, sampler.first_step = self.progress.epoch, self.progress.step
        return iter(self._state.batches)

    def _validate(self) -> NDArray[np.float32]:
        """Compute probabilities of the validation clips from one view each: float32 (N, K)."""
        # With an EMA, its weights are validated: they are the ones that the model keeps.
        p = probabilities(
            self._fabric, self._state.evaluated, self._state.val_batches,
            views_at_once=self._recipe.micro_batch_size, check=self._save_or_stop,
        )  # fmt: skip
        # `_save_or_stop` is collective. A process with fewer batches calls it as often as the one
        # with the most, which would else wait for ever.
        most = -(-len(self._val_labels) // self._fabric.world_size)
        batches = math.ceil(most / self._recipe.micro_batch_size)
        for _ in range(batches - len(self._state.val_batches)):
            self._save_or_stop()
        return all_gather_rows(self._fabric, p, len(self._val_labels))

    def _end_epoch(self, row: Row, val: NDArray[np.float32]) -> None:
        """Complete the epoch's metrics, count it, and keep its weights if they are the best."""
        progress, select = self.progress, self._recipe.select_checkpoint
        metrics = score(val, self._val_labels)
        row["val/loss"] = metrics.log_loss
        row |= {f"val/{name}": getattr(metrics, name) for name in ("top1", "macro_f1", "mean_acc")}
        progress.epoch, progress.step, progress.sums = progress.epoch + 1, 0, [0.0, 0.0, 0.0]
        row["epoch"] = progress.epoch
        row["lr"] = max(float(group["lr"]) for group in self._state.optimizer.param_groups)
        progress.history.append(row)
        if better := row[f"val/{select.metric}"] > progress.best_value:
            progress.best_value, progress.best_epoch = row[f"val/{select.metric}"], progress.epoch
            if select.epoch == "best":
                progress.best_weights = _cpu_copy(self._state.evaluated)
        if better or select.epoch == "last":
            progress.val = torch.from_numpy(val)

    def result(self) -> TrainResult:
        """Return the weights that the recipe selects, with their validation probabilities."""
        progress = self.progress
        assert progress.val is not None, "a recipe has at least one epoch"
        epoch, weights = progress.best_epoch, progress.best_weights
        if self._recipe.select_checkpoint.epoch == "last":
            epoch, weights = progress.epoch, _cpu_copy(self._state.evaluated)
        return TrainResult(
            progress, weights, epoch, progress.val.numpy(), self._state.initial_weights
        )

    def _due(self) -> bool:
        return time.monotonic() - self._saved > 60 * self._recipe.checkpoint_minutes

    def _save_or_stop(self) -> None:
        """Save if it is time, and stop if any process was told to. Every process calls this."""
        stop, save = any_rank(self._fabric, self._signals.wanted, self._due())
        if stop or save:
            self._save()
        if stop:
            self._signals.leave()

    def _save(self) -> None:
        """Let rank 0 write a checkpoint, and all processes wait for it."""
        state, sums = self._state.state_dict(), self._sums().tolist()
        if self._fabric.is_global_zero:
            self._checkpoints.save(replace(self.progress, sums=sums), state)
        self._fabric.barrier()
        self._saved = time.monotonic()

    def _sums(self) -> torch.Tensor:
        return all_reduce_sum(self._fabric, torch.tensor(self.progress.sums, dtype=torch.float64))

    def _speed(self, meter: Meter) -> Row:
        """Return clips per second of all processes, waiting time, MFU, and a GPU's peak memory."""
        row = meter.speed()
        row["clips_s"] *= self._fabric.world_size
        row["mfu"] = self._utilization.of(row["clips_s"])
        if self._fabric.device.type == "cuda":
            row["gpu_gib"] = torch.cuda.max_memory_allocated() / 2**30
        return row

    def _fail(self, bad: Measured | None) -> NoReturn:
        """Stop at a loss or a gradient that is not finite, after writing down its clips.

        Raises:
            TrainingError: In rank 0, for all processes.
        """
        described = None if bad is None else (bad.name, bad.step, bad.value.item(), bad.clips)
        faults = [fault for fault in all_gather(self._fabric, described) if fault is not None]
        if not self._fabric.is_global_zero:
            raise SystemExit(0)
        # A bad gradient reaches every process, a bad loss is in the one whose clips caused it.
        blamed = [fault for fault in faults if fault[0] == "loss"] or faults
        name, step, value, _ = blamed[0]
        clips = [clip for *_, ids in blamed for clip in ids]
        path = self._checkpoints.write_not_finite(step, name, value, clips)
        raise TrainingError(
            f"step {step}", f"the {name} is {value}; clips: {', '.join(clips[:5])}",
            do=f"Lower the learning rate, or look at the step's clips, which {path} lists",
        )  # fmt: skip


def _cpu_copy(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
