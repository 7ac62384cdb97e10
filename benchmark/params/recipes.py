"""The knobs of training: one complete recipe an entry."""

from __future__ import annotations

import math
from typing import Annotated, Literal, TypeAlias, assert_never

from pydantic import Field, model_validator

from benchmark.core.schema import Positive, Share, Strict

AboveZero: TypeAlias = Annotated[float, Field(gt=0)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
SelectionMetric: TypeAlias = Literal["top1", "macro_f1", "mean_acc"]

# ---------------------------------------------------------------- steps


class Sgd(Strict):
    """Stochastic gradient descent with Nesterov-free momentum; every parameter is decayed."""

    kind: Literal["sgd"]
    lr: AboveZero
    """Before scaling."""
    momentum: Share
    """Share of the last step that the next one keeps."""
    weight_decay: NotNegative
    """Factor of the L2 penalty."""


class AdamW(Strict):
    """AdamW; biases, norms and position tables are not decayed."""

    kind: Literal["adamw"]
    lr: AboveZero
    """Before scaling."""
    weight_decay: NotNegative
    """Decoupled from the gradient."""
    backbone_lr: AboveZero
    """Factor on the learning rate of the backbone."""
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    """Further factor for every block between a parameter and the head; 1 for none."""


class LinearScaling(Strict):
    """lr times batch_size / batch (Goyal et al. 2017)."""

    rule: Literal["linear"]
    """How lr follows the batch."""
    batch: Positive
    """The clips of a step that `lr` belongs to."""


class SqrtScaling(Strict):
    """lr times the square root of batch_size / batch."""

    rule: Literal["sqrt"]
    """How lr follows the batch."""
    batch: Positive
    """The clips of a step that `lr` belongs to."""


class NoScaling(Strict):
    """lr as it is, whatever the batch."""

    rule: Literal["none"]
    """How lr follows the batch."""


LrScaling: TypeAlias = Annotated[
    LinearScaling | SqrtScaling | NoScaling, Field(discriminator="rule")
]


class Cosine(Strict):
    """From lr to 0 along half a cosine."""

    kind: Literal["cosine"]
    by: Literal["step", "epoch"]
    """Whether it falls with every step or stands still within an epoch."""


class Steps(Strict):
    """lr times `factor` from each of some epochs on."""

    kind: Literal["steps"]
    epochs: tuple[Positive, ...]
    """Epochs finished when it falls."""
    factor: Share
    """On the learning rate, each time."""


Schedule: TypeAlias = Annotated[Cosine | Steps, Field(discriminator="kind")]

# ---------------------------------------------------------------- clips and loss


class Shuffled(Strict):
    """Every clip once, in a random order."""

    kind: Literal["shuffled"]


class ClassBalanced(Strict):
    """As many draws as there are clips, rare classes more often."""

    kind: Literal["class_balanced"]
    power: Share
    """A class of n clips is drawn as often as n ** (1 - power): 1 for all classes alike."""


class CrossEntropy(Strict):
    """The mean over the clips."""

    kind: Literal["cross_entropy"]


class ClassWeighted(Strict):
    """Cross-entropy with rare classes counting more; the mean weight of a clip is 1."""

    kind: Literal["class_weighted"]
    power: Share
    """A clip of a class of n clips weighs n ** -power."""


class LogitAdjusted(Strict):
    """Cross-entropy of logits + tau log prior in training alone (Menon et al., ICLR 2021)."""

    kind: Literal["logit_adjusted"]
    tau: AboveZero
    """1 is the loss that balances classes; less adjusts less."""


class Mixup(Strict):
    """Pairs of clips and their labels mixed, by a share from Beta(alpha, alpha)."""

    alpha: AboveZero
    """Small: mostly one of the two clips; 1: any share alike."""


class Ema(Strict):
    """An exponential mean of the weights is validated and kept in their place."""

    decay: Annotated[float, Field(gt=0, lt=1)]
    """Share of the mean that a step keeps."""


class SelectCheckpoint(Strict):
    """Which epoch's weights become the model."""

    epoch: Literal["best", "last"]
    """The best one by `metric`, or the last one."""
    metric: SelectionMetric
    """On validation, one view a clip; the first of equal epochs is the best."""
    patience: Positive | None
    """Epochs without a better one after which training ends; null for never."""


class Recipe(Strict):
    """How to train: complete in itself, inherits nothing."""

    optimizer: Annotated[Sgd | AdamW, Field(discriminator="kind")]
    """What moves the weights."""
    lr_scaling: LrScaling
    """How the learning rate follows another batch size."""
    schedule: Schedule
    """How the learning rate falls."""
    warmup_epochs: NotNegative
    """Epochs of linear warm-up, by step, on top of the schedule."""
    warmup_start: Share
    """Factor on the learning rate at the first step of the warm-up."""
    epochs: Positive
    """Passes over the training clips, each `repeats` times."""
    repeats: Positive
    """How often each epoch goes through the clips."""
    batch_size: Positive
    """Clips of one step, over all processes and forward passes."""
    micro_batch_size: Positive
    """Clips of one forward pass of one process; batch norms see that many together."""
    sampling: Annotated[Shuffled | ClassBalanced, Field(discriminator="kind")]
    """Which clips an epoch draws."""
    loss: Annotated[CrossEntropy | ClassWeighted | LogitAdjusted, Field(discriminator="kind")]
    """What is made small."""
    label_smoothing: Share
    """Share of each label that goes to all classes alike."""
    mixup: Mixup | None
    """Mixing of clips and labels; null for none."""
    grad_clip: AboveZero | None
    """Largest L2 norm of the gradient; null for no limit."""
    ema: Ema | None
    """A mean of the weights in their place; null for none."""
    select_checkpoint: SelectCheckpoint
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    """Of the passes: full, bfloat16 or float16 with a scaled loss."""
    deterministic: bool
    """Refuse kernels whose result differs from run to run; slower on a GPU, nothing on a CPU."""
    checkpoint_minutes: AboveZero
    """A killed training loses at most this much."""
    loader_workers: Annotated[int, Field(ge=0)]
    """Processes that read clips, for each process that trains; the result does not depend on it."""
    cache_gib: NotNegative
    """Memory for decoded clips, in GiB a process; what does not fit is decoded anew."""
    threads: Positive
    """CPU threads of torch; the result on a CPU depends on it in the last bits."""

    @property
    def micro_batches(self) -> int:
        """Forward passes of one step, over all processes."""
        return self.batch_size // self.micro_batch_size

    @property
    def lr(self) -> float:
        """The learning rate after scaling."""
        lr, rule = self.optimizer.lr, self.lr_scaling
        match rule:
            case LinearScaling():
                return lr * self.batch_size / rule.batch
            case SqrtScaling():
                return lr * math.sqrt(self.batch_size / rule.batch)
            case NoScaling():
                return lr
            case _:
                assert_never(rule)

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        faults = []
        if self.warmup_epochs >= self.epochs:
            faults.append(f"warmup_epochs must be below epochs ({self.epochs})")
        if self.batch_size % self.micro_batch_size:
            faults.append(
                f"batch_size must be a multiple of micro_batch_size ({self.micro_batch_size})"
            )
        if isinstance(self.schedule, Steps) and self.schedule.epochs[-1:] >= (self.epochs,):
            faults.append(f"schedule.epochs must be below epochs ({self.epochs})")
        if faults:
            raise ValueError("; ".join(faults))
        return self
