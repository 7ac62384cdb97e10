"""Learning rates, parameter groups and mean weights, against mmengine, mmaction2 and formulas."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.core.errors import TrainingError
from benchmark.data.rgb_pose_input import RgbPoseInput
from benchmark.data.skeleton_input import SkeletonInput
from benchmark.models import mmaction_import as mmaction
from benchmark.models.network import build
from benchmark.params.params import read_params
from benchmark.params.recipes import (
    AdamW,
    Cosine,
    Ema,
    LinearScaling,
    NoScaling,
    Recipe,
    Sgd,
    SqrtScaling,
    Steps,
)
from benchmark.training.optimizer import build_ema, build_optimizer, lr_factor
from conftest import REPO

PARAMS = read_params(REPO / "params.yaml")
EPOCHS = 20


def recipe(**changes: object) -> Recipe:
    sound = {"epochs": EPOCHS, "warmup_epochs": 0.0, "lr_scaling": NoScaling(rule="none")}
    return PARAMS.recipes["swin_small"].model_copy(update=sound | changes)


def adamw(**changes: float) -> AdamW:
    sound = {"lr": 0.1, "weight_decay": 0.05, "backbone_lr": 1.0, "layer_decay": 1.0}
    return AdamW(kind="adamw", **(sound | changes))


# ---------------------------------------------------------------- learning rates

COSINE = {by: Cosine(kind="cosine", by=by) for by in ("step", "epoch")}


def curve(schedulers: Callable[[torch.optim.Optimizer, int], list], steps: int) -> list[float]:
    """The learning rate of every step as mmengine's runner sets it: after each step or epoch."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    found, moving = [], schedulers(optimizer, steps)
    for epoch in range(EPOCHS):
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            for scheduler in moving:
                if not scheduler.by_epoch:
                    scheduler.step()
        for scheduler in moving:
            if scheduler.by_epoch and epoch + 1 < EPOCHS:
                scheduler.step()
    return found


def ours(one: Recipe, steps: int) -> list[float]:
    return [lr_factor(one, step, steps) for step in range(EPOCHS * steps)]


@pytest.mark.parametrize("steps", [1, 2, 7, 40])
@pytest.mark.parametrize("by", ["step", "epoch"])
def test_cosine_with_warm_up_equals_mmengines_over_the_same_epochs(by: str, steps: int) -> None:
    mmaction.mmaction_models()
    from mmengine.optim.scheduler import CosineAnnealingLR, LinearLR

    def schedulers(optimizer: torch.optim.Optimizer, length: int) -> list:
        rising = LinearLR.build_iter_from_epoch(
            optimizer, start_factor=0.1, begin=0, end=2.5, epoch_length=length
        )
        falling = {"T_max": EPOCHS, "eta_min": 0, "begin": 0, "end": EPOCHS}
        if by == "step":
            return [
                rising,
                CosineAnnealingLR.build_iter_from_epoch(optimizer, epoch_length=length, **falling),
            ]
        return [rising, CosineAnnealingLR(optimizer, by_epoch=True, **falling)]

    one = recipe(schedule=COSINE[by], warmup_epochs=2.5, warmup_start=0.1)
    assert ours(one, steps) == pytest.approx(curve(schedulers, steps), abs=1e-9)


def test_steps_equal_mmengines_milestones_after_12_and_16_epochs() -> None:
    mmaction.mmaction_models()
    from mmengine.optim.scheduler import MultiStepLR

    def schedulers(optimizer: torch.optim.Optimizer, length: int) -> list:
        return [MultiStepLR(optimizer, milestones=[12, 16], gamma=0.1, by_epoch=True)]

    one = recipe(schedule=Steps(kind="steps", epochs=(12, 16), factor=0.1))
    found = ours(one, 7)
    assert found == pytest.approx(curve(schedulers, 7))
    assert found[12 * 7 - 1 : 12 * 7 + 1] == pytest.approx([1.0, 0.1])
    assert found[-1] == pytest.approx(0.01)


def test_the_warm_up_of_a_step_or_of_none_divides_by_nothing() -> None:
    for epochs in (0.0, 0.1, 0.2):
        one = recipe(schedule=COSINE["epoch"], warmup_epochs=epochs, warmup_start=0.1)
        assert ours(one, 10)[2:10] == [1.0] * 8
        assert ours(one, 10)[0] == (1.0 if epochs == 0 else 0.1)


@pytest.mark.parametrize(
    ("scaling", "factor"),
    [
        (NoScaling(rule="none"), 1.0),
        (LinearScaling(rule="linear", batch=16), 4.0),
        (LinearScaling(rule="linear", batch=256), 0.25),
        (SqrtScaling(rule="sqrt", batch=16), 2.0),
        (SqrtScaling(rule="sqrt", batch=256), 0.5),
    ],
)
@pytest.mark.parametrize(
    "optimizer", [adamw(), Sgd(kind="sgd", lr=0.1, momentum=0.9, weight_decay=0.01)]
)
def test_the_learning_rate_is_scaled_by_the_batch_or_its_root(
    scaling: object, factor: float, optimizer: AdamW | Sgd
) -> None:
    one = recipe(optimizer=optimizer, batch_size=64, lr_scaling=scaling)
    assert one.lr == pytest.approx(0.1 * factor)
    groups = build_optimizer(one, nn.Linear(2, 2)).param_groups
    assert {group["lr"] for group in groups} == {one.lr}


# ---------------------------------------------------------------- parameter groups


def network(name: str, **changed: object) -> nn.Module:
    experiment = PARAMS.experiments[name]
    backbone = experiment.backbone.model_copy(update=changed)
    keypoints = isinstance(experiment.input, SkeletonInput | RgbPoseInput)
    layout = OPENPOSE36 if keypoints else None
    return build(backbone, experiment.input, layout, num_classes=32)


def settings(name: str, spec: AdamW, **changed: object) -> dict[str, tuple[float, float]]:
    """Learning rate and decay of each parameter, each in exactly one group."""
    model = network(name, **changed)
    names = {id(parameter): key for key, parameter in model.named_parameters()}
    found: dict[str, tuple[float, float]] = {}
    for group in build_optimizer(recipe(optimizer=spec), model).param_groups:
        for parameter in group["params"]:
            key = names.pop(id(parameter))
            found[key] = group["lr"], group["weight_decay"]
    assert names == {}
    return found


@pytest.mark.parametrize("name", ["joint", "swin_rgb", "rgb_joint"])
def test_norms_biases_and_bias_tables_are_not_decayed_and_all_else_is(name: str) -> None:
    found = settings(name, adamw())
    kept = {key for key, (_, decay) in found.items() if decay == 0}
    norms = {key for key, one in network(name).named_modules() if "Norm" in type(one).__name__}
    expected = {
        key
        for key in found
        if key.endswith(("bias", "relative_position_bias_table")) or key.rpartition(".")[0] in norms
    }
    assert kept == expected
    assert {decay for key, (_, decay) in found.items() if key not in kept} == {0.05}


def test_norms_and_tables_of_a_swin_are_decayed_as_by_mmactions_constructor() -> None:
    mmaction.mmaction_models()
    from mmaction.engine.optimizers import SwinOptimWrapperConstructor

    # The published configuration of Video Swin; it decays biases, Swin's own recipe does not.
    paramwise = {
        "absolute_pos_embed": {"decay_mult": 0.0},
        "relative_position_bias_table": {"decay_mult": 0.0},
        "norm": {"decay_mult": 0.0},
        "backbone": {"lr_mult": 0.1},
    }
    model = network("swin_rgb", stem=None)
    wrapped = {"optimizer": {"type": "AdamW", "lr": 0.1, "weight_decay": 0.05}}
    theirs = SwinOptimWrapperConstructor(wrapped, paramwise)(model).optimizer
    places = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in theirs.param_groups
        for parameter in group["params"]
    }
    found = settings("swin_rgb", adamw(backbone_lr=0.1), stem=None)
    for key, parameter in model.named_parameters():
        rate, decay = places[id(parameter)]
        assert found[key][0] == pytest.approx(rate), key
        if not key.endswith("bias") or ".norm" in key:
            assert found[key][1] == pytest.approx(decay), key


def test_sgd_decays_every_parameter_in_one_group() -> None:
    spec = Sgd(kind="sgd", lr=0.1, momentum=0.9, weight_decay=0.01)
    model = network("joint")
    (group,) = build_optimizer(recipe(optimizer=spec), model).param_groups
    assert len(group["params"]) == len(list(model.parameters()))
    assert (group["lr"], group["momentum"], group["weight_decay"]) == (0.1, 0.9, 0.01)


@pytest.mark.parametrize("name", ["joint", "swin_rgb", "rgb_joint"])
def test_backbone_lr_slows_the_backbone_and_not_the_head(name: str) -> None:
    rates = {key: rate for key, (rate, _) in settings(name, adamw(backbone_lr=0.1)).items()}
    for key, rate in rates.items():
        assert rate == pytest.approx(0.01 if key.startswith("backbone.") else 0.1), key


POWERS = {
    # The network of params.yaml -> a parameter's place and the power of layer_decay there.
    "joint": {
        "backbone.conv1.": 7,
        "backbone.layer1.0.": 6, "backbone.layer1.1.": 5,
        "backbone.layer2.0.": 4, "backbone.layer2.1.": 3,
        "backbone.layer3.0.": 2, "backbone.layer3.1.": 1,
        "cls_head.": 0,
    },
    "swin_rgb": {
        "backbone.patch_embed.": 7,
        "backbone.layers.0.blocks.0.": 6, "backbone.layers.0.blocks.1.": 5,
        "backbone.layers.0.downsample.": 5,
        "backbone.layers.1.blocks.0.": 4, "backbone.layers.1.blocks.1.": 3,
        "backbone.layers.1.downsample.": 3,
        "backbone.layers.2.blocks.0.": 2, "backbone.layers.2.blocks.1.": 1,
        "backbone.norm2.": 1,
        "cls_head.": 0,
    },
    "rgb_joint": {
        "backbone.rgb_path.conv1.": 7,
        "backbone.rgb_path.layer1.0.": 6,
        "backbone.rgb_path.layer2.0.": 5, "backbone.rgb_path.layer2.1.": 4,
        "backbone.rgb_path.layer3.0.": 3, "backbone.rgb_path.layer3.1.": 2,
        "backbone.rgb_path.layer4.0.": 1,
        "backbone.rgb_path.layer2_lateral.": 1, "backbone.rgb_path.layer3_lateral.": 1,
        "backbone.pose_path.conv1.": 7,
        "backbone.pose_path.layer1.0.": 6, "backbone.pose_path.layer1.1.": 5,
        "backbone.pose_path.layer2.0.": 4, "backbone.pose_path.layer2.1.": 3,
        "backbone.pose_path.layer3.0.": 2, "backbone.pose_path.layer3.1.": 1,
        "backbone.pose_path.layer1_lateral.": 1, "backbone.pose_path.layer2_lateral.": 1,
        "cls_head.": 0,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", POWERS)
def test_layer_decay_counts_the_blocks_of_its_pathway_up_to_the_head(name: str) -> None:
    used = set()
    for key, (rate, _) in settings(name, adamw(backbone_lr=0.5, layer_decay=0.8)).items():
        (place,) = [place for place in POWERS[name] if key.startswith(place)]
        factor = 1.0 if place == "cls_head." else 0.5
        assert rate == pytest.approx(0.1 * factor * 0.8 ** POWERS[name][place]), key
        used.add(place)
    assert used == set(POWERS[name])


def test_layer_decay_is_refused_where_there_is_no_layer_to_count() -> None:
    model = nn.ModuleDict({"backbone": nn.Linear(3, 3), "cls_head": nn.Linear(3, 2)})
    build_optimizer(recipe(optimizer=adamw()), model)
    with pytest.raises(TrainingError, match="no blocks to count"):
        build_optimizer(recipe(optimizer=adamw(layer_decay=0.8)), model)


# ---------------------------------------------------------------- mean weights


def test_mean_weights_follow_the_formula_for_weights_and_buffers() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).train()
    mean = build_ema(recipe(ema=Ema(decay=0.9)), model)
    expected = copy.deepcopy(model.state_dict())
    for _ in range(5):
        model(torch.randn(4, 3)).square().sum().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
        mean.update(model)
        for key, new in model.state_dict().items():
            if new.is_floating_point():
                expected[key] = 0.9 * expected[key] + 0.1 * new
            else:
                expected[key] = new.clone()
    for key, value in mean.module.state_dict().items():
        torch.testing.assert_close(value, expected[key])
    assert mean.module[1].num_batches_tracked == 5
    assert not mean.module.training


@pytest.mark.parametrize("epochs", [(20, 10), (5, 5), (30,)])
def test_steps_of_the_learning_rate_rise_and_end_before_the_training(epochs: tuple) -> None:
    """Out of order, the learning rate would fall twice at the first of them."""
    recipe = PARAMS.recipes["pose_small"].model_dump()
    steps = {"kind": "steps", "epochs": epochs, "factor": 0.1}
    says = "must be below epochs" if epochs == (30,) else "must rise from each to the next"
    with pytest.raises(ValidationError, match=says):
        Recipe.model_validate(recipe | {"epochs": 30, "schedule": steps})
    rising = steps | {"epochs": (10, 20)}
    assert Recipe.model_validate(recipe | {"epochs": 30, "schedule": rising})
