"""Logits and labels -> what is minimised."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmark.models.recognizer import Mix
from benchmark.params.recipes import ClassWeighted, CrossEntropy, LogitAdjusted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.params.recipes import Mixup, Recipe


class Loss:
    """The loss of a recipe over the labels of the training clips."""

    def __init__(
        self, recipe: Recipe, labels: NDArray[np.int64], num_classes: int, device: torch.device
    ) -> None:
        self._smoothing = recipe.label_smoothing
        self._weight = self._shift = None
        counts = torch.bincount(torch.from_numpy(labels), minlength=num_classes).double()
        match recipe.loss:
            case CrossEntropy():
                pass
            case ClassWeighted(power=power):
                weight = torch.where(counts > 0, counts.clamp(min=1) ** -power, 0.0)
                weight *= counts.sum() / (weight * counts).sum()
                self._weight = weight.float().to(device)
            case LogitAdjusted(tau=tau):
                # A class without a clip counts half a one: the logarithm stays finite.
                prior = counts.clamp(min=0.5) / counts.sum()
                self._shift = (tau * prior.log()).float().to(device)
            case _:
                assert_never(recipe.loss)

    def __call__(self, logits: Tensor, label: Tensor, mix: Mix | None) -> Tensor:
        """Logits (B, heads, K) and labels (B,) -> float32 scalar: mean over clips, sum over heads.

        Source: RGBPoseConv3D (Duan et al., CVPR 2022): the losses of its two heads are summed.
        """
        logits = logits.float()
        if self._shift is not None:
            logits = logits + self._shift
        found = self._of(logits, label)
        if mix is not None:
            found = mix.share * found + (1 - mix.share) * self._of(logits, label[mix.partner])
        return found.mean()

    def _of(self, logits: Tensor, label: Tensor) -> Tensor:
        """Of each clip: (B,)."""
        heads = logits.shape[1]
        every = cross_entropy(
            logits.flatten(0, 1),
            label.repeat_interleave(heads),
            label_smoothing=self._smoothing,
            reduction="none",
        )
        found = every.unflatten(0, (-1, heads)).sum(1)
        return found if self._weight is None else found * self._weight[label]


def draw_mix(mixup: Mixup | None, clips: int, device: torch.device) -> Mix | None:
    """Partners and shares of one pass, from torch's global generator of the CPU.

    Source: Zhang et al., mixup, ICLR 2018; one share a clip.
    """
    if mixup is None:
        return None
    alpha = torch.full((clips,), mixup.alpha)
    share = torch.distributions.Beta(alpha, alpha).sample()
    partner = torch.randperm(clips)
    return Mix(share.to(device, non_blocking=True), partner.to(device, non_blocking=True))
