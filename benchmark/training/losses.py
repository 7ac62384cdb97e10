"""Training losses: logits and labels -> a scalar."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmark.core.errors import ParamsError
from benchmark.core.pinned_file import verified
from benchmark.models.group_head import group_logits, membership
from benchmark.models.text_projection import text_distance
from benchmark.params.recipes import ClassWeighted, CrossEntropy, LogitAdjusted, Recipe, TextLoss

if TYPE_CHECKING:
    import numpy as np

    from benchmark.models.recognizer import Mix


class Loss:
    """The loss of a recipe.

    Class weights and priors come from the labels of all training clips, not from those of a batch,
    so that the losses of micro-batches add up to that of their step.
    """

    def __init__(
        self, recipe: Recipe, labels: NDArray[np.int64], num_classes: int, device: torch.device,
        *, group_of: Sequence[int] = (), vectors: Tensor | None = None,
    ) -> None:  # fmt: skip
        """Prepare what the loss needs to know of the training clips.

        Args:
            recipe: Loss, label smoothing and weight of the groups' loss.
            labels: Of the training clips, int64 (N,).
            num_classes: K.
            device: Where the logits are.
            group_of: Group of each class, for a loss of groups.
            vectors: Of each class, float32 (K, E), for a loss of label texts.
        """
        self._text_weight = recipe.text_loss.weight if recipe.text_loss else 0.0
        self._vectors = None if vectors is None else vectors.to(device)
        self._smoothing = recipe.label_smoothing
        self._group_weight = recipe.group_loss
        if recipe.group_loss:
            self._group_of = torch.tensor(group_of, device=device)
            self._members = membership(group_of).to(device)
        self._weight = self._shift = None
        counts = torch.bincount(torch.from_numpy(labels), minlength=num_classes).double()
        match recipe.loss:
            case CrossEntropy():
                pass
            case ClassWeighted(power=power):
                # Scaled so that the mean weight of a training clip is 1.
                weight = torch.where(counts > 0, counts.clamp(min=1) ** -power, 0.0)
                weight *= counts.sum() / (weight * counts).sum()
                self._weight = weight.float().to(device)
            case LogitAdjusted(tau=tau):
                # A class without clips counts as half a clip, so that the logarithm is finite.
                prior = counts.clamp(min=0.5) / counts.sum()
                self._shift = (tau * prior.log()).float().to(device)
            case _:
                assert_never(recipe.loss)

    def __call__(
        self, logits: Tensor, label: Tensor, mix: Mix | None, projected: Tensor | None = None
    ) -> Tensor:
        """Return the loss as a float32 scalar: the mean over clips of the sum over heads.

        Args:
            logits: (B, heads, K), any float type.
            label: (B,), int64.
            mix: Which clips are mixed, and how much; None if none are.
            projected: Features for the loss of label texts, (B, heads, E).

        Source: RGBPoseConv3D (Duan et al., CVPR 2022) sums the losses of its two heads.
        """
        logits = logits.float()  # half precision is too coarse for a log-softmax
        if self._shift is not None:
            logits = logits + self._shift
        losses = self._per_clip(logits, label, projected)
        if mix is not None:
            # Cross-entropy is linear in the label, so mixing two losses equals mixing two labels.
            partner = label[mix.partner]
            losses = mix.share * losses + (1 - mix.share) * self._per_clip(
                logits, partner, projected
            )
        return losses.mean()

    def _per_clip(self, logits: Tensor, label: Tensor, projected: Tensor | None) -> Tensor:
        losses = self._cross_entropy(logits, label)
        if self._group_weight:
            coarse = self._cross_entropy(group_logits(logits, self._members), self._group_of[label])
            losses = losses + self._group_weight * coarse
        if self._vectors is not None and projected is not None:
            text = text_distance(projected.float(), self._vectors, label)
            losses = losses + self._text_weight * text
        # Not torch's own `weight`, which divides by the sum of weights of this micro-batch.
        return losses if self._weight is None else losses * self._weight[label]

    def _cross_entropy(self, logits: Tensor, label: Tensor) -> Tensor:
        """Sum the heads' losses of each clip: (B, heads, K) -> (B,)."""
        heads = logits.shape[1]
        per_head = cross_entropy(
            logits.flatten(0, 1), label.repeat_interleave(heads),
            label_smoothing=self._smoothing, reduction="none",
        )  # fmt: skip
        return per_head.unflatten(0, (-1, heads)).sum(1)


def read_vectors(spec: TextLoss, classes: Sequence[str]) -> Tensor:
    """Read the vector of each class: float32 (K, E), in the order of the classes.

    Raises:
        ArchiveError: The file is missing, or another than pinned.
        ParamsError: It is no JSON of vectors of one length, or its classes are others.
    """
    path = verified(spec.vectors, expected="a JSON file of a vector for each class")
    expected = "JSON: name of each class -> list of numbers, of one length"
    try:
        found = json.loads(path.read_bytes())
        vectors = torch.tensor([found[name] for name in classes if name in found])
    except (ValueError, TypeError):
        raise ParamsError(str(path), "not a file of vectors", expected=expected) from None
    if differ := sorted({*found} ^ {*classes}):
        raise ParamsError(
            str(path), f"of other classes than the edition's: {differ[0]}",
            expected=f"{len(classes)} classes", found=str(len(found)),
            do="Write a vector for each class name of the edition, and no other",
        )  # fmt: skip
    if vectors.ndim != 2 or not vectors.isfinite().all() or not vectors.any(1).all():
        raise ParamsError(str(path), "a vector is empty, 0 or not finite", expected=expected)
    return vectors.float()
