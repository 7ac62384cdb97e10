"""Running statistics of batch norms that do not hang on how a step is split into processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from benchmark.runtime.distributed import all_reduce_sum

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor, nn


class RunningStatistics:
    """Moves the running statistics once a step, by the mean over all its forward passes.

    By themselves they would move with every pass of one process, in turn, and not at all with the
    passes of the others.
    """

    def __init__(self, model: nn.Module, passes: int, fabric: Fabric) -> None:
        self._passes, self._fabric = passes, fabric
        norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        norms = norms if passes > 1 else []
        pairs = [(norm.running_mean, norm.running_var) for norm in norms]
        self._moving: list[Tensor] = [one for pair in pairs for one in pair if one is not None]
        counts = [norm.num_batches_tracked for norm in norms]
        self._counts: list[Tensor] = [count for count in counts if count is not None]
        self._before: list[Tensor] = []
        self._sums: list[Tensor] = []

    @torch.no_grad()
    def begin_step(self) -> None:
        """Remember what the statistics were."""
        self._before = [tensor.clone() for tensor in self._moving]
        self._sums = [torch.zeros_like(tensor) for tensor in self._moving]

    @torch.no_grad()
    def end_pass(self) -> None:
        """Add what this pass made of them, and put back what they were."""
        for total, tensor, before in zip(self._sums, self._moving, self._before, strict=True):
            total += tensor
            tensor.copy_(before)

    @torch.no_grad()
    def end_step(self) -> None:
        """Take the mean over the passes of all processes."""
        if not self._moving:
            return
        means = all_reduce_sum(self._fabric, torch.cat(self._sums)) / self._passes
        parts = means.split([len(tensor) for tensor in self._moving])
        for tensor, mean in zip(self._moving, parts, strict=True):
            tensor.copy_(mean)
        own = self._passes // self._fabric.world_size
        for count in self._counts:
            count -= own - 1
