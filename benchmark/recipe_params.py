"""The knobs of training: one complete recipe an entry."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from benchmark.schema import Strict

Positive: TypeAlias = Annotated[int, Field(gt=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class Sgd(Strict):
    """Stochastic gradient descent with Nesterov-free momentum."""

    kind: Literal["sgd"]
    lr: Annotated[float, Field(gt=0)]
    momentum: Share
    weight_decay: Annotated[float, Field(ge=0)]


class AdamW(Strict):
    """AdamW; norms and position-bias tables are not decayed."""

    kind: Literal["adamw"]
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    backbone_lr: Annotated[float, Field(gt=0)]
    """Factor on the learning rate of the backbone."""


class Recipe(Strict):
    """How to train: complete in itself, inherits nothing."""

    optimizer: Annotated[Sgd | AdamW, Field(discriminator="kind")]
    epochs: Positive
    repeats: Positive
    """How often each epoch goes through the clips."""
    warmup_epochs: Annotated[float, Field(ge=0)]
    """Epochs of linear warm-up before the cosine to 0."""
    batch_size: Positive
    """Clips of one step over all processes."""
    grad_clip: Annotated[float, Field(gt=0)] | None
    """Largest L2 norm of the gradient; null for no limit."""
    label_smoothing: Share
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    loader_workers: Annotated[int, Field(ge=0)]
    """Processes that read clips; the result does not depend on it."""
    cache_gib: Annotated[float, Field(ge=0)]
    """Memory for decoded clips, in GiB a process; what does not fit is decoded anew."""
    threads: Positive
    """CPU threads of torch; the result on a CPU depends on it in the last bits."""
    keep: Literal["best", "last"]
    """Which epoch's weights become the model: best top-1 on validation, or the last."""

    @model_validator(mode="after")
    def _warms_up_before_the_end(self) -> Recipe:
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs must be below epochs ({self.epochs})")
        return self
