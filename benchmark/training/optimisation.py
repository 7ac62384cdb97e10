"""Optimiser and learning-rate schedule of a recipe. The only module that imports timm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

import torch
from timm.scheduler.cosine_lr import CosineLRScheduler

from benchmark.recipe_params import AdamW, Sgd

if TYPE_CHECKING:
    from benchmark.models.recogniser import Recogniser
    from benchmark.recipe_params import Recipe

WARMUP_START = 0.1
"""Share of the learning rate at the first step of the warm-up (mmaction2's Swin recipes)."""


def build_optimizer(recipe: Recipe, model: Recogniser) -> torch.optim.Optimizer:
    """The optimiser with its parameter groups."""
    spec = recipe.optimizer
    match spec:
        case Sgd():
            return torch.optim.SGD(
                model.parameters(),
                lr=spec.lr,
                momentum=spec.momentum,
                weight_decay=spec.weight_decay,
            )
        case AdamW():
            return torch.optim.AdamW(_groups(spec, model), lr=spec.lr)
        case _:
            assert_never(spec)


def _groups(spec: AdamW, model: Recogniser) -> list[dict[str, Any]]:
    """Backbone and head, each with and without decay.

    Source: Swin's recipe: no decay for norms, biases of one dimension and position-bias tables.
    """
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        decays = parameter.ndim > 1 and "relative_position_bias_table" not in name
        groups.setdefault((name.startswith("backbone."), decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": spec.lr * (spec.backbone_lr if in_backbone else 1),
            "weight_decay": spec.weight_decay if decays else 0.0,
        }
        for (in_backbone, decays), parameters in groups.items()
    ]


def build_schedule(
    recipe: Recipe, optimizer: torch.optim.Optimizer, steps_per_epoch: int
) -> CosineLRScheduler:
    """Linear warm-up, then a cosine to 0, both by step: call `step_update(step)` after each."""
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    lowest = min(float(group["lr"]) for group in optimizer.param_groups)
    return CosineLRScheduler(
        optimizer,
        t_initial=recipe.epochs * steps_per_epoch - warmup,
        lr_min=0.0,
        warmup_t=warmup,
        warmup_lr_init=WARMUP_START * lowest,
        warmup_prefix=True,
        t_in_epochs=False,
    )
