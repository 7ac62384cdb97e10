"""Training on labeled clips: validates every epoch, and selects one. `epochs` holds the loop."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.evaluation.metrics import score
from benchmark.inference.forward import probabilities
from benchmark.models.text_projection import without_text
from benchmark.runtime.distributed import all_gather_rows
from benchmark.training.epochs import Epochs, Row, cpu_copy
from benchmark.training.state import TrainResult, TrainSpec, TrainState, build_state

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from benchmark.runtime.signals import StopSignals
    from benchmark.training.checkpoint import Checkpoints


class Trainer(Epochs[TrainResult]):
    """One training on labeled clips in progress."""

    _state: TrainState
    _build = staticmethod(build_state)

    def __init__(
        self, spec: TrainSpec, fabric: Fabric, checkpoints: Checkpoints, signals: StopSignals
    ) -> None:
        super().__init__(spec, fabric, checkpoints, signals)
        self._backbone = spec.experiment.backbone
        self._val_labels = spec.clips.split("val").labels()

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done, or `patience` epochs brought no better one."""
        done, patience = self.progress.epoch, self._recipe.select_checkpoint.patience
        stale = patience is not None and done - self.progress.best_epoch >= patience
        return done >= self._recipe.epochs or (done > 0 and stale)

    def _validate(self) -> NDArray[np.float32]:
        """Compute probabilities of the validation clips from one view each: float32 (N, O, K).

        O counts the networks side by side: one, except of a grid.
        """
        options = self._state.options
        # With an EMA, its weights are validated: they are the ones that the model keeps.
        p = probabilities(
            self._fabric, self._state.evaluated, self._state.val_batches,
            views_at_once=self._recipe.micro_batch_size, check=self._save_or_stop,
            every_head=options > 1,
        )  # fmt: skip
        # `_save_or_stop` is collective. A process with fewer batches calls it as often as the one
        # with the most, which would else wait for ever.
        most = -(-len(self._val_labels) // self._fabric.world_size)
        batches = math.ceil(most / self._recipe.micro_batch_size)
        for _ in range(batches - len(self._state.val_batches)):
            self._save_or_stop()
        rows = all_gather_rows(self._fabric, p, len(self._val_labels))
        return rows.reshape(len(rows), options, -1)

    def _end_epoch(self, row: Row, correct: float) -> None:
        """Validate the epoch, count it, and keep its weights if they are the best."""
        progress, select = self.progress, self._recipe.select_checkpoint
        every = self._validate()
        scores = [score(every[:, k], self._val_labels) for k in range(every.shape[1])]
        best = int(np.argmax([getattr(one, select.metric) for one in scores]))
        self._state.choose(best)
        val, metrics = every[:, best], scores[best]
        row["train/top1"] = correct
        row["val/loss"] = metrics.log_loss
        row |= {f"val/{name}": getattr(metrics, name) for name in ("top1", "macro_f1", "mean_acc")}
        super()._end_epoch(row, correct)
        if better := row[f"val/{select.metric}"] > progress.best_value:
            progress.best_value, progress.best_epoch = row[f"val/{select.metric}"], progress.epoch
            if select.epoch == "best":
                progress.best_weights = cpu_copy(self._state.evaluated)
        if better or select.epoch == "last":
            progress.val = torch.from_numpy(val)

    def result(self) -> TrainResult:
        """Return the weights that the recipe selects, with their validation probabilities."""
        progress = self.progress
        assert progress.val is not None, "a recipe has at least one epoch"
        epoch, weights = progress.best_epoch, progress.best_weights
        if self._recipe.select_checkpoint.epoch == "last":
            epoch, weights = progress.epoch, cpu_copy(self._state.evaluated)
        backbone, weights = self._backbone.chosen(without_text(weights))
        val, start = progress.val.numpy(), self._state.initial_weights
        return TrainResult(progress, weights, epoch, val, start, backbone)


train = Trainer.train
