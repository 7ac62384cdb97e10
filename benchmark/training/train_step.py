"""One update of the weights: the passes of a step, then the optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.runtime.seeding import seed_micro_batch
from benchmark.training.losses import draw_mix
from benchmark.training.optimizer import lr_factor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from benchmark.data.loader import TrainBatch
    from benchmark.params.recipes import Recipe
    from benchmark.training.monitor.meter import Meter
    from benchmark.training.state import TrainState


class Stepper:
    """Moves the weights of one training, step by step."""

    def __init__(self, parts: TrainState, recipe: Recipe, seed: int) -> None:
        self._parts, self._recipe, self._seed = parts, recipe, seed

    def step(self, number: int, batches: Iterator[TrainBatch], meter: Meter) -> None:
        """Update `number`, counted from 0 over all epochs, with the next batches."""
        parts, fabric = self._parts, self._parts.fabric
        factor = lr_factor(self._recipe, number, parts.order.steps)
        for group, rate in zip(parts.optimizer.param_groups, parts.rates, strict=True):
            group["lr"] = rate * factor
        clips = parts.order.clips_of(number % parts.order.steps)
        passes, ids = parts.order.own_micro_batches, list[str]()
        parts.statistics.begin_step()
        for place in passes:
            batch = next(batches)
            ids += batch.clip_id
            seed_micro_batch(self._seed, number, place)
            with fabric.no_backward_sync(parts.net, enabled=place != passes[-1]):
                loss = self._forward(batch, meter, number)
                # The gradients of processes are averaged, those of passes added.
                fabric.backward(loss * (len(batch.clip_id) / clips * fabric.world_size))
            parts.statistics.end_pass()
        parts.statistics.end_step()
        norm = self._update()
        if norm is not None and self._recipe.precision != "16-mixed":
            meter.add_gradient(number, norm, ids)

    def _forward(self, batch: TrainBatch, meter: Meter, number: int) -> Tensor:
        """The mean loss of one pass."""
        device = self._parts.fabric.device
        x = tuple(tensor.to(device, non_blocking=True) for tensor in batch.x)
        label = batch.label.to(device, non_blocking=True)
        mix = draw_mix(self._recipe.mixup, len(batch.clip_id), device)
        logits = self._parts.net(x, mix)
        loss = self._parts.loss(logits, label, mix)
        meter.add(number, loss, logits, label, batch.clip_id)
        return loss

    def _update(self) -> Tensor | None:
        """Move the weights; the norm of the gradient before it was clipped, if it is clipped."""
        parts, limit, norm = self._parts, self._recipe.grad_clip, None
        if limit is not None:
            # Under 16-mixed an infinite gradient is no mistake: the scaler skips the step.
            norm = parts.fabric.clip_gradients(
                parts.net, parts.optimizer, max_norm=limit, error_if_nonfinite=False
            )
        parts.optimizer.step()
        parts.optimizer.zero_grad()
        if parts.mean is not None:
            parts.mean.update(parts.model)
        return norm
