"""Recipes: how to train. Each entry of `recipes` in params.yaml is complete in itself."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias, assert_never

from pydantic import Field, model_validator

from benchmark.core.pinned_file import WeightsFile
from benchmark.core.schema import AboveZero, NotNegative, Positive, Share, Strict

SelectionMetric: TypeAlias = Literal["top1", "macro_f1", "mean_acc"]


class Sgd(Strict):
    """Stochastic gradient descent with momentum, without Nesterov; all parameters decay."""

    kind: Literal["sgd"]
    lr: AboveZero
    """Learning rate before `lr_scaling`."""
    momentum: Share
    """Share of the previous update that is added to the next one."""
    weight_decay: NotNegative
    """Factor of the L2 penalty."""


class AdamW(Strict):
    """AdamW; biases, norms and position-bias tables do not decay."""

    kind: Literal["adamw"]
    lr: AboveZero
    """Learning rate before `lr_scaling`."""
    weight_decay: NotNegative
    """Weight decay, decoupled from the gradient."""
    backbone_lr: AboveZero
    """Factor on the learning rate of the backbone."""
    layer_decay: Annotated[float, Field(gt=0, le=1)]
    """Further factor per block between a parameter and the head; 1 for none."""


class LinearScaling(Strict):
    """The learning rate is lr times batch_size / batch (Goyal et al., 2017)."""

    rule: Literal["linear"]
    """How the learning rate follows the batch size."""
    batch: Positive
    """The batch size that `lr` is meant for."""


class SqrtScaling(Strict):
    """The learning rate is lr times the square root of batch_size / batch."""

    rule: Literal["sqrt"]
    """How the learning rate follows the batch size."""
    batch: Positive
    """The batch size that `lr` is meant for."""


class NoScaling(Strict):
    """The learning rate is lr for every batch size."""

    rule: Literal["none"]
    """How the learning rate follows the batch size."""


LrScaling: TypeAlias = Annotated[
    LinearScaling | SqrtScaling | NoScaling, Field(discriminator="rule")
]


class Cosine(Strict):
    """Cosine annealing of the learning rate to 0 at the last epoch."""

    kind: Literal["cosine"]
    by: Literal["step", "epoch"]
    """Whether the learning rate changes with every step or only between epochs."""


class Steps(Strict):
    """Step decay: multiplies the learning rate by `factor` at some epochs."""

    kind: Literal["steps"]
    epochs: tuple[Positive, ...]
    """Numbers of finished epochs after which the learning rate falls."""
    factor: Share
    """Factor on the learning rate, each time."""


Schedule: TypeAlias = Annotated[Cosine | Steps, Field(discriminator="kind")]


class Shuffled(Strict):
    """Every clip once, in random order."""

    kind: Literal["shuffled"]


class ClassBalanced(Strict):
    """As many draws with replacement as there are clips, with rare classes drawn more often."""

    kind: Literal["class_balanced"]
    power: Share
    """A class of n clips is drawn in proportion to n ** (1 - power): 1 for equal classes."""


class CrossEntropy(Strict):
    """Cross-entropy, averaged over the clips."""

    kind: Literal["cross_entropy"]


class ClassWeighted(Strict):
    """Cross-entropy with a larger weight for rare classes; the mean weight of a clip is 1."""

    kind: Literal["class_weighted"]
    power: Share
    """The weight of a clip is in proportion to n ** -power, for a class of n clips."""


class LogitAdjusted(Strict):
    """Cross-entropy of logits + tau log prior, in training alone (Menon et al., ICLR 2021)."""

    kind: Literal["logit_adjusted"]
    tau: AboveZero
    """1 balances the classes; a smaller value adjusts less."""


class Mixup(Strict):
    """Mixes pairs of clips and their labels, with shares from Beta(alpha, alpha)."""

    alpha: AboveZero
    """Small: mostly one of the two clips; 1: every share is equally likely."""


class Cutmix(Strict):
    """Replaces a rectangle of each clip by that of another, and mixes labels by its area."""

    alpha: AboveZero
    """The share of the clip itself is from Beta(alpha, alpha)."""
    switch: Share
    """Share of micro-batches that are cut; the others get mixup, if the recipe has it."""


class TextLoss(Strict):
    """A second loss: features, projected by a layer of their own, near a vector of the class.

    It adds one minus the cosine of both. Source: the idea of Li et al., 1st of MiGA 2023 (arXiv
    2307.10624), who use word vectors of the class names.
    """

    vectors: WeightsFile
    """JSON: name of each class of the edition -> list of numbers, of one length."""
    weight: AboveZero
    """Factor on this loss."""


class Ema(Strict):
    """Exponential moving average of the weights, which is validated and saved instead of them."""

    decay: Annotated[float, Field(gt=0, lt=1)]
    """Share of the average that a step keeps."""


class SelectCheckpoint(Strict):
    """Which epoch's weights become the model."""

    epoch: Literal["best", "last"]
    """The best epoch by `metric`, or the last one."""
    metric: SelectionMetric
    """Metric on validation, from one view per clip; of equal epochs the first is the best."""
    patience: Positive | None
    """Epochs without a better one after which training stops early; null for never."""


class Optimization(Strict):
    """How to optimize a network: what every kind of training shares."""

    if TYPE_CHECKING:  # each kind declares which of these it takes
        sampling: Any

    optimizer: Annotated[Sgd | AdamW, Field(discriminator="kind")]
    """Optimizer."""
    lr_scaling: LrScaling
    """How the learning rate follows the batch size."""
    schedule: Schedule
    """Learning-rate schedule."""
    warmup_epochs: NotNegative
    """Epochs of linear warm-up, by step; it is multiplied with the schedule."""
    warmup_start: Share
    """Factor on the learning rate at the first step of the warm-up."""
    epochs: Positive
    """Epochs. Each one goes through the training clips `repeats` times."""
    repeats: Positive
    """How often an epoch goes through the training clips."""
    batch_size: Positive
    """Clips per step, over all processes and micro-batches."""
    micro_batch_size: Positive
    """Clips of one forward pass per process; batch norms see that many together."""
    grad_clip: AboveZero | None
    """Largest L2 norm of the gradient; null for no limit."""
    ema: Ema | None
    """Exponential moving average of the weights; null for none."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    """Precision of forward and backward pass: float32, bfloat16, or float16 with a scaled loss."""
    deterministic: bool
    """Use kernels that repeat their result exactly, where torch has them; slower on a GPU."""
    checkpoint_minutes: AboveZero
    """Minutes between checkpoints: the most that a killed training loses."""
    loader_workers: Annotated[int, Field(ge=0)]
    """Processes that read clips, per training process; the result does not depend on it."""
    cache_gib: NotNegative
    """Memory for decoded clips per process, in GiB; clips beyond it are decoded again each time."""
    threads: Annotated[int, Field(gt=0, le=1024)]
    """CPU threads of torch; on a CPU the last bits of the result depend on it."""
    views_per_clip: Positive = 1
    """Random views of each drawn clip in a step, all counted by `batch_size`; an epoch has that
    many times as many (repeated augmentation)."""
    compiled: bool = False
    """Compile the blocks of the network (torch.compile): fewer passes over memory, after minutes of
    compiling. The last bits of the result differ, and so do the draws of dropout and drop path."""

    @property
    def micro_batches(self) -> int:
        """Micro-batches per step, over all processes."""
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
    def _fits_together(self) -> Self:
        faults = []
        if self.warmup_epochs >= self.epochs:
            faults.append(f"warmup_epochs must be below epochs ({self.epochs})")
        if self.batch_size % self.micro_batch_size:
            faults.append(
                f"batch_size must be a multiple of micro_batch_size ({self.micro_batch_size})"
            )
        if self.batch_size % self.views_per_clip:
            faults.append(
                f"batch_size must be a multiple of views_per_clip ({self.views_per_clip})"
            )
        if isinstance(self.schedule, Steps):
            steps = self.schedule.epochs
            if any(later <= earlier for earlier, later in pairwise(steps)):
                faults.append("schedule.epochs must rise from each to the next")
            if max(steps, default=0) >= self.epochs:
                faults.append(f"schedule.epochs must be below epochs ({self.epochs})")
        if faults:
            raise ValueError("; ".join(faults))
        return self


class Recipe(Optimization):
    """How to train on labeled clips."""

    sampling: Annotated[Shuffled | ClassBalanced, Field(discriminator="kind")]
    """Which clips an epoch draws."""
    loss: Annotated[CrossEntropy | ClassWeighted | LogitAdjusted, Field(discriminator="kind")]
    """Training loss."""
    label_smoothing: Share
    """Share of each label that is spread over all classes."""
    mixup: Mixup | None
    """Mixup; null for none."""
    select_checkpoint: SelectCheckpoint
    group_loss: NotNegative = 0.0
    """Weight of a second cross-entropy, of the edition's groups instead of its classes."""
    cutmix: Cutmix | None = None
    """Cutmix; null for none."""
    freeze_epochs: Annotated[int, Field(ge=0)] = 0
    """First epochs that train the head alone; statistics of batch norms follow the clips."""
    head_scale: AboveZero = 1.0
    """Factor on the initial weights of a fresh classifier."""
    text_loss: TextLoss | None = None
    """Loss of label texts; null for none."""

    @property
    def mixes(self) -> bool:
        """Whether clips of a batch are mixed with each other."""
        return self.mixup is not None or self.cutmix is not None

    @model_validator(mode="after")
    def _head_trains_longer(self) -> Self:
        if self.freeze_epochs >= self.epochs:
            raise ValueError(f"freeze_epochs must be below epochs ({self.epochs})")
        return self


class PretrainingRecipe(Optimization):
    """How to pre-train on clips without labels."""

    sampling: Shuffled
    """Every clip once, in random order."""
