"""Epochs of a training: steps, checkpoints, stops. What is learned is the subclass's."""

from __future__ import annotations

import json
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import torch
from tqdm import tqdm

from benchmark.core.errors import TrainingError
from benchmark.core.files import write_text
from benchmark.runtime.distributed import all_gather, all_reduce_sum, any_rank
from benchmark.runtime.signals import StopSignals
from benchmark.training.checkpoint import Checkpoints, Progress
from benchmark.training.monitor.meter import NOTHING, Measured, Meter
from benchmark.training.monitor.progress import Countdown, Row
from benchmark.training.monitor.throughput import Utilization
from benchmark.training.train_step import train_step

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from benchmark.data.loader import TrainBatch
    from benchmark.training.step_state import StepState

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Epochs(ABC, Generic[Result]):
    """One training in progress."""

    _build: Callable[[Any, Fabric], StepState]
    """Builds what a spec asks for, on this process's device."""

    def __init__(
        self, spec: Any, fabric: Fabric, checkpoints: Checkpoints, signals: StopSignals
    ) -> None:
        self._state = state = type(self)._build(spec, fabric)
        self._recipe, self._fabric = state.recipe, fabric
        self._checkpoints, self._signals = checkpoints, signals
        self._utilization = Utilization(state)
        self._saved = time.monotonic()
        self.progress = Progress()

    @classmethod
    def train(
        cls, spec: Any, fabric: Fabric, checkpoints: Checkpoints,
        report: Callable[[int, Row], None],
    ) -> Result:  # fmt: skip
        """Train to the end, from the last checkpoint if there is one.

        Every process of `fabric` calls this, and all return the same.

        Args:
            spec: What to train.
            fabric: The processes and their devices.
            checkpoints: Where to save and resume.
            report: Called with number and metrics of every epoch, also of those before a stop.

        Raises:
            TrainingError: The loss or the gradient is not finite, there are too few clips for a
                step, or the processes found different checkpoints.
            FormatError: The prepared data or the initial weights cannot be read.
        """
        with StopSignals(fabric) as signals:
            trainer = cls(spec, fabric, checkpoints, signals)
            trainer.run(report)
            return trainer.result()

    @abstractmethod
    def result(self) -> Result:
        """Return what was learned."""

    def run(self, report: Callable[[int, Row], None]) -> None:
        """Resume, and take the epochs that are left."""
        self.resume()
        countdown = Countdown(self.progress.epoch, self._recipe.epochs)
        for row in self.progress.history:
            report(int(row["epoch"]), row)
        while not self.finished:
            row = self.epoch()
            if self._fabric.is_global_zero:
                log.info(countdown.line(row))
            report(self.progress.epoch, row)

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
            self.progress.sums = NOTHING
        done = f"step {self.progress.step} of epoch {self.progress.epoch + 1}"
        log.info("resuming after %s of %d epochs", done, self._recipe.epochs)

    @property
    def finished(self) -> bool:
        return self.progress.epoch >= self._recipe.epochs

    def epoch(self) -> Row:
        """Train one epoch and what follows it; return its metrics."""
        self._train_epoch()
        self._save_or_stop()
        loss, correct, clips, seconds, waited = self._sums().tolist()
        clips_s = clips * self._fabric.world_size / seconds
        row = {"train/loss": loss / clips, "clips_s": clips_s, "mfu": self._utilization.of(clips_s)}
        if self._fabric.device.type == "cuda":
            row["gpu_gib"] = torch.cuda.max_memory_allocated() / 2**30
        row["wait_share"] = waited / seconds
        self._end_epoch(row, correct / clips)
        self._save()
        return self.progress.history[-1]

    def _end_epoch(self, row: Row, correct: float) -> None:
        """Add the metrics of a finished epoch to the history, and begin the next one.

        `correct` is the share of the clips that the network answered correctly in training.
        """
        progress = self.progress
        progress.epoch, progress.step, progress.sums = progress.epoch + 1, 0, NOTHING
        row["epoch"] = progress.epoch
        row["lr"] = max(float(group["lr"]) for group in self._state.optimizer.param_groups)
        progress.history.append(row)

    def _train_epoch(self) -> None:
        """Take the remaining steps of the epoch."""
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

    @cached_property
    def _batches(self) -> Iterator[TrainBatch]:
        # One iterator to the last epoch, so that workers read ahead while an epoch is validated.
        sampler = self._state.sampler
        sampler.epoch, sampler.first_step = self.progress.epoch, self.progress.step
        return iter(self._state.batches)

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
        path = self._checkpoints.not_finite
        report = {"step": step, name: str(value), "clips": clips}
        write_text(path, json.dumps(report, indent=1) + "\n")
        raise TrainingError(
            f"step {step}", f"the {name} is {value}; clips: {', '.join(clips[:5])}",
            do=f"Lower the learning rate, or look at the step's clips, which {path} lists",
        )  # fmt: skip


def cpu_copy(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Copy the tensors of a network to the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
