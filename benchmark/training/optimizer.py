"""Optimizer, learning rate and EMA of a recipe."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, assert_never

import torch

from benchmark.core.errors import TrainingError
from benchmark.params.recipes import AdamW, Cosine, Optimization, Sgd, Steps

if TYPE_CHECKING:
    from timm.utils.model_ema import ModelEmaV3 as ModelEma
    from torch import nn


BLOCK = re.compile(
    r"(?P<path>backbone\.(?:\w+_path\.)?)"
    r"(?:(?!patch_embed\.)"
    r"(?P<block>(?:\w+\.)*?(?:layers?|blocks)\d*\.\d+(?:\.blocks\.\d+|(?!\.downsample)))\.)?"
)
"""Matches the pathway and the block of a parameter, such as layer2.0 or layers.1.blocks.0; what
makes the tokens is no block, though a stem numbers its layers too."""


UNDECAYED = ("relative_position_bias_table", "mask_token")
"""Tables and tokens that do not decay, though they have several dimensions."""


def build_optimizer(recipe: Optimization, model: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer, each parameter group at its full learning rate.

    Raises:
        TrainingError: The recipe has a layer decay, and the network no blocks to count.
    """
    spec = recipe.optimizer
    # A fused optimizer updates all tensors in one kernel, which saves 5 to 10 % of a small
    # network's step on a CPU. Under 16-mixed it would also unscale the gradients, and Fabric cannot
    # clip them before that.
    fused = recipe.precision != "16-mixed"
    match spec:
        case Sgd():
            return torch.optim.SGD(
                model.parameters(), lr=recipe.lr, momentum=spec.momentum,
                weight_decay=spec.weight_decay, fused=fused,
            )  # fmt: skip
        case AdamW():
            return torch.optim.AdamW(_groups(spec, recipe.lr, model), lr=recipe.lr, fused=fused)
        case _:
            assert_never(spec)


def _groups(spec: AdamW, lr: float, model: nn.Module) -> list[dict[str, Any]]:
    """Group the parameters by learning rate and weight decay.

    Source: Swin's recipe: no decay for norms, biases (all of one dimension) and position-bias
    tables. Layer decay as in BEiT (Bao et al., 2022): `layer_decay` to the power of the number of
    blocks above.

    Raises:
        TrainingError: There is a layer decay, and the network has no blocks to count.
    """
    above, blocks = _blocks_above([name for name, _ in model.named_parameters()])
    if spec.layer_decay != 1 and not blocks:
        raise TrainingError(
            "layer_decay", "this backbone has no blocks to count",
            expected="parameters of backbone.layer<n>.<block> or backbone.layers.<n>.<block>",
            found=next(iter(above), "none in a backbone"),
            do="Set layer_decay to 1.0, or add the names of its blocks to BLOCK in "
            "benchmark/training/optimizer.py",
        )  # fmt: skip
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    factors: Any = getattr(model, "factors", {})
    for name, parameter in model.named_parameters():
        own = next((pair for start, pair in factors.items() if name.startswith(start)), (1.0, 1.0))
        decays = parameter.ndim > 1 and not name.endswith(UNDECAYED)
        factor = 1.0
        if name in above:
            factor = spec.backbone_lr * spec.layer_decay ** above[name]
        key = (lr * factor * own[0], spec.weight_decay * own[1] if decays else 0.0)
        groups.setdefault(key, []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


def is_block(module: str) -> bool:
    """Tell whether a module is a block, or a stage of blocks, by its name."""
    match = BLOCK.match(module + ".")
    return match is not None and match["block"] is not None and match.end() == len(module) + 1


def _blocks_above(names: list[str]) -> tuple[dict[str, int], int]:
    """Count the blocks from each backbone parameter to the head, and all blocks of the backbone.

    A parameter's own block counts, and each pathway counts for itself. The stem has one more block
    above it than the first block has. A parameter outside of blocks (a Swin's downsampling, the
    last norm, a lateral connection) counts as one of the block before it.
    """
    blocks: dict[str, list[str]] = {}
    positions: dict[str, tuple[str, int]] = {}
    for name in names:
        if match := BLOCK.match(name):
            seen = blocks.setdefault(match["path"], [])
            if match["block"] and match["block"] not in seen:
                seen.append(match["block"])
            positions[name] = match["path"], len(seen)
    above = {name: len(blocks[path]) - number + 1 for name, (path, number) in positions.items()}
    return above, sum(map(len, blocks.values()))


def lr_factor(recipe: Optimization, step: int, steps_per_epoch: int) -> float:
    """Return the factor on every learning rate at a step, counted from 0.

    A pure function, so that a resumed training needs no state of a schedule.
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
        risen = step / max(warmup - 1, 1)  # 1 at the last step of the warm-up
        # Multiplied, as mmengine does with LinearLR and CosineAnnealingLR over the same epochs: the
        # schedule starts at epoch 0, not after the warm-up.
        factor *= recipe.warmup_start + (1 - recipe.warmup_start) * risen
    return factor


def build_ema(recipe: Optimization, model: nn.Module) -> ModelEma | None:
    """Build the exponential moving average of a model's weights and buffers, if the recipe has one.

    `update(model)` after each step moves it, and `module` is the averaged network.
    """
    if recipe.ema is None:
        return None
    from timm.utils.model_ema import ModelEmaV3  # most of a second: imported only where needed

    return ModelEmaV3(model, decay=recipe.ema.decay)
