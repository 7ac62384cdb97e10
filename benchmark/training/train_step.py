"""One training step, from a batch to updated weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from benchmark.models.recognizer import Mix
from benchmark.runtime.distributed import all_reduce_sum
from benchmark.runtime.seeding import seed_micro_batch
from benchmark.training.optimizer import lr_factor

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor, nn

    from benchmark.data.loader import TrainBatch
    from benchmark.params.recipes import Cutmix, Mixup
    from benchmark.training.monitor.meter import Meter
    from benchmark.training.step_state import StepState


def train_step(state: StepState, step: int, batches: Iterator[TrainBatch], meter: Meter) -> None:
    """Update the weights once: forward and backward per micro-batch, then clip, optimizer, EMA.

    Args:
        state: Network, optimizer and loss, changed in place.
        step: Number of the step over all epochs, from 0.
        batches: This process's micro-batches; the step takes `len(sampler.own_micro_batches)`.
        meter: Receives loss and logits of each micro-batch, and the gradient norm.
    """
    fabric, recipe, sampler = state.fabric, state.recipe, state.sampler
    factor = lr_factor(recipe, step, sampler.steps)
    for group, lr in zip(state.optimizer.param_groups, state.full_lrs, strict=True):
        group["lr"] = lr * factor

    step_clips = sampler.clips_of(step % sampler.steps)
    own, clip_ids = sampler.own_micro_batches, list[str]()
    state.batch_norms.begin_step()
    for number in own:
        batch = next(batches)
        clip_ids += batch.clip_id
        seed_micro_batch(state.seed, step, number)
        # Gradients add up in this process until the last micro-batch. Only its backward pass lets
        # DDP average them over the processes: one exchange per step.
        with fabric.no_backward_sync(state.net, enabled=number != own[-1]):
            loss = state.micro_batch_loss(step, batch, meter)
            # `loss` is the mean over this micro-batch. With this factor the sum over micro-batches,
            # averaged over processes, is the gradient of the mean over all clips of the step.
            fabric.backward(loss * (len(batch.clip_id) / step_clips * fabric.world_size))
        state.batch_norms.end_micro_batch()
    state.batch_norms.end_step()
    state.drop_frozen_gradients(step)
    if recipe.grad_clip is not None:
        norm = fabric.clip_gradients(
            state.net, state.optimizer, max_norm=recipe.grad_clip, error_if_nonfinite=False
        )
        # An infinite gradient is no fault under 16-mixed: the scaler skips the step and scales the
        # loss by less from then on.
        if norm is not None and recipe.precision != "16-mixed":
            meter.add_gradient(step, norm, clip_ids)
    state.optimizer.step()
    state.optimizer.zero_grad()
    if state.ema is not None:
        state.ema.update(state.model)


def draw_mix(
    mixup: Mixup | None, clips: int, device: torch.device, *, cutmix: Cutmix | None = None
) -> Mix | None:
    """Draw the partner and the share of each clip of a micro-batch for mixup or cutmix.

    Args:
        mixup: With one share per clip.
        clips: Of the micro-batch.
        device: Where the shares go.
        cutmix: With one rectangle per micro-batch.

    Source: Zhang et al., mixup, ICLR 2018; Yun et al., CutMix, ICCV 2019.
    """
    # From the CPU's global generator, which `seed_micro_batch` seeds: equal draws on every device.
    if cutmix is not None and torch.rand(()) < cutmix.switch:
        return _draw_cut(cutmix.alpha, clips, device)
    if mixup is None:
        return None
    alpha = torch.full((clips,), mixup.alpha)
    share = torch.distributions.Beta(alpha, alpha).sample()
    partner = torch.randperm(clips)
    return Mix(share.to(device, non_blocking=True), partner.to(device, non_blocking=True))


def _draw_cut(alpha: float, clips: int, device: torch.device) -> Mix:
    side = (1 - torch.distributions.Beta(alpha, alpha).sample()).sqrt().item()
    x, y = torch.rand(2).tolist()
    # Centers are anywhere, so a rectangle may leave the picture; what is left of it counts.
    left, right = max(x - side / 2, 0.0), min(x + side / 2, 1.0)
    top, bottom = max(y - side / 2, 0.0), min(y + side / 2, 1.0)
    share = torch.full((clips,), 1 - (right - left) * (bottom - top))
    partner = torch.randperm(clips).to(device, non_blocking=True)
    return Mix(share.to(device, non_blocking=True), partner, (left, top, right, bottom))


class BatchNormStatistics:
    """Updates the running statistics of batch norms once per step.

    By itself a batch norm updates them in every forward pass of its own process. They would depend
    on the order of the micro-batches, and differ between processes. Here each micro-batch updates
    the statistics from before the step, and the step takes the mean over the micro-batches of all
    processes.
    """

    def __init__(self, model: nn.Module, micro_batches: int, fabric: Fabric) -> None:
        self._micro_batches, self._fabric = micro_batches, fabric
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        norms = norms if micro_batches > 1 else []  # a single one does the right thing by itself
        pairs = [(norm.running_mean, norm.running_var) for norm in norms]
        self._statistics: list[Tensor] = [one for pair in pairs for one in pair if one is not None]
        counts = [norm.num_batches_tracked for norm in norms]
        self._counts: list[Tensor] = [count for count in counts if count is not None]
        self._before: list[Tensor] = []
        self._sums: list[Tensor] = []

    @torch.no_grad()
    def begin_step(self) -> None:
        """Remember the statistics from before the step."""
        self._before = [tensor.clone() for tensor in self._statistics]
        self._sums = [torch.zeros_like(tensor) for tensor in self._statistics]

    @torch.no_grad()
    def end_micro_batch(self) -> None:
        """Add the statistics after this micro-batch to the sums, and restore those from before."""
        for total, tensor, before in zip(self._sums, self._statistics, self._before, strict=True):
            total += tensor
            tensor.copy_(before)

    @torch.no_grad()
    def end_step(self) -> None:
        """Set the statistics to their mean over the micro-batches of all processes."""
        if not self._statistics:
            return
        # One exchange for all tensors together.
        means = all_reduce_sum(self._fabric, torch.cat(self._sums)) / self._micro_batches
        parts = means.split([len(tensor) for tensor in self._statistics])
        for tensor, mean in zip(self._statistics, parts, strict=True):
            tensor.copy_(mean)
        # Every forward pass counted itself, and a step counts as one.
        own = self._micro_batches // self._fabric.world_size
        for count in self._counts:
            count -= own - 1
