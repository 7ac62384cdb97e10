"""Optimizer and learning rate of a recipe."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, assert_never

import torch

from benchmark.core.errors import TrainingError
from benchmark.params.recipes import AdamW, Cosine, Sgd, Steps

if TYPE_CHECKING:
    from torch import nn

    from benchmark.params.recipes import Recipe

PLACE = re.compile(
    r"(?P<path>backbone\.(?:\w+_path\.)?)"
    r"(?:(?P<block>(?:\w+\.)*?(?:layers?|blocks)\d*\.\d+(?:\.blocks\.\d+|(?!\.downsample)))\.)?"
)
"""Pathway and block that a parameter belongs to, such as layer2.0 or layers.1.blocks.0."""


def build_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer with its parameter groups, each at its full learning rate.

    Raises:
        TrainingError: The recipe has a layer decay, and the network no layer that it could count.
    """
    spec = recipe.optimizer
    # One kernel for all tensors: a twentieth to a tenth of a small network's step on a CPU. The
    # scaler of 16-mixed cannot clip gradients before such a kernel.
    fused = recipe.precision != "16-mixed"
    match spec:
        case Sgd():
            return torch.optim.SGD(
                model.parameters(),
                lr=recipe.lr,
                momentum=spec.momentum,
                weight_decay=spec.weight_decay,
                fused=fused,
            )
        case AdamW():
            return torch.optim.AdamW(_groups(spec, recipe.lr, model), lr=recipe.lr, fused=fused)
        case _:
            assert_never(spec)


def _groups(spec: AdamW, lr: float, model: nn.Module) -> list[dict[str, Any]]:
    """Parameters of equal learning rate and decay together.

    Source: Swin's recipe: no decay for norms, biases of one dimension and position-bias tables.
    Layer decay as in BEiT (Bao et al., 2022): `layer_decay` to the number of blocks above.

    Raises:
        TrainingError: There is a layer decay, and no layer that it could count.
    """
    above, blocks = _blocks_above([name for name, _ in model.named_parameters()])
    if spec.layer_decay != 1 and not blocks:
        raise TrainingError(
            "layer_decay", "this backbone has no blocks that could be counted",
            expected="parameters of backbone.layer<n>.<block> or backbone.layers.<n>.<block>",
            found=next(iter(above), "none in a backbone"),
            do="Set layer_decay to 1.0, or add the names of its blocks to PLACE in "
            "benchmark/training/optimizer.py",
        )  # fmt: skip
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        decays = parameter.ndim > 1 and "relative_position_bias_table" not in name
        factor = 1.0
        if name in above:
            factor = spec.backbone_lr * spec.layer_decay ** above[name]
        key = (lr * factor, spec.weight_decay if decays else 0.0)
        groups.setdefault(key, []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def _blocks_above(names: list[str]) -> tuple[dict[str, int], int]:
    """Blocks of its pathway from a parameter of the backbone to the head, its own one included.

    And how many blocks there are in all.

    The stem has one more than the first block. What stands in no block (the halving of a Swin's
    map, a last norm, what joins pathways) counts as the block before it.
    """
    blocks: dict[str, list[str]] = {}
    place: dict[str, tuple[str, int]] = {}
    for name in names:
        if match := PLACE.match(name):
            seen = blocks.setdefault(match["path"], [])
            if match["block"] and match["block"] not in seen:
                seen.append(match["block"])
            place[name] = match["path"], len(seen)
    above = {name: len(blocks[path]) - number + 1 for name, (path, number) in place.items()}
    return above, sum(map(len, blocks.values()))


def lr_factor(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """What every learning rate is multiplied by at a step, counted from 0.

    A pure function: a training that goes on needs no state of a schedule. Warm-up and schedule are
    multiplied, as in mmengine (LinearLR and CosineAnnealingLR over the same epochs).
    """
    schedule = recipe.schedule
    match schedule:
        case Cosine():
            done = step if schedule.by == "step" else step // steps_per_epoch * steps_per_epoch
            share = done / (recipe.epochs * steps_per_epoch)
            factor = (1 + math.cos(math.pi * share)) / 2
        case Steps():
            factor = schedule.factor ** bisect_right(schedule.epochs, step // steps_per_epoch)
        case _:
            assert_never(schedule)
    warmup = int(recipe.warmup_epochs * steps_per_epoch)
    if step < warmup:
        risen = step / max(warmup - 1, 1)  # its last step is at the full rate
        factor *= recipe.warmup_start + (1 - recipe.warmup_start) * risen
    return factor
