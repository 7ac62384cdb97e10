"""Every backbone: shape, gradients, determinism, keys, and parity with mmaction2's recogniser."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import REPO

from benchmark.layouts import OPENPOSE36
from benchmark.models import build
from benchmark.models.recogniser import Recogniser
from benchmark.params import Experiment, read_params

PARAMS = read_params(REPO / "params.yaml")
CLASSES = 32


def network(name: str) -> Recogniser:
    experiment = PARAMS.experiments[name]
    torch.manual_seed(0)
    return build(experiment.backbone, experiment.input, OPENPOSE36, num_classes=CLASSES)


def views(experiment: Experiment, count: int) -> torch.Tensor:
    spec = experiment.input
    generator = torch.Generator().manual_seed(1)
    if spec.kind == "skeleton":
        x = torch.rand(count, spec.frames, 36, 3, generator=generator)
        return x * torch.tensor([spec.size, spec.size, 1.0])
    shape = (count, spec.frames, spec.size, spec.size, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


every_experiment = pytest.mark.parametrize("name", PARAMS.experiments)


@every_experiment
def test_logits_have_one_column_a_class_and_are_finite(name: str) -> None:
    logits = network(name)(views(PARAMS.experiments[name], 2))
    assert logits.shape == (2, CLASSES)
    assert logits.isfinite().all()


@every_experiment
def test_the_gradient_reaches_every_parameter(name: str) -> None:
    net = network(name).eval()  # in training a drop path may cut a block off
    for parameter in net.parameters():  # the last norm of a residual branch starts at 0
        if not parameter.any():
            torch.nn.init.normal_(parameter)
    net(views(PARAMS.experiments[name], 2)).square().sum().backward()
    dead = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.abs().any()]
    assert dead == []


@every_experiment
def test_evaluation_is_deterministic_and_does_not_mix_clips(name: str) -> None:
    net, x = network(name).eval(), views(PARAMS.experiments[name], 3)
    with torch.no_grad():
        together, alone = net(x), torch.cat([net(one[None]) for one in x])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


@every_experiment
def test_the_same_seed_builds_the_same_network(name: str) -> None:
    one, other = network(name).state_dict(), network(name).state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


def mmaction_recogniser(backbone: dict[str, Any], in_channels: int) -> torch.nn.Module:
    from benchmark.models import mmaction

    mmaction._backbones()
    from mmaction.registry import MODELS
    from mmengine.registry import init_default_scope

    init_default_scope("mmaction")
    head = {"type": "I3DHead", "in_channels": in_channels, "num_classes": CLASSES}
    return MODELS.build({"type": "Recognizer3D", "backbone": backbone, "cls_head": head})


@pytest.mark.parametrize(
    ("name", "backbone", "in_channels"),
    [
        (
            "joint",
            {
                "type": "ResNet3dSlowOnly", "depth": 50, "pretrained": None, "in_channels": 36,
                "base_channels": 16, "num_stages": 3, "out_indices": (2,),
                "stage_blocks": (2, 2, 2), "conv1_stride_s": 2, "pool1_stride_s": 1,
                "inflate": (1, 1, 1), "spatial_strides": (2, 2, 2),
                "temporal_strides": (1, 1, 1), "dilations": (1, 1, 1),
            },
            256,
        ),
        (
            "rgb",
            {
                "type": "SwinTransformer3D",
                "arch": {"embed_dims": 48, "depths": [2, 2, 2], "num_heads": [3, 6, 12]},
                "pretrained": None, "pretrained2d": False, "patch_size": (2, 4, 4),
                "window_size": (4, 3, 3), "out_indices": (2,),
            },
            192,
        ),
    ],
)  # fmt: skip
def test_weights_of_mmactions_recogniser_load_and_give_its_logits(
    name: str, backbone: dict[str, Any], in_channels: int
) -> None:
    theirs = mmaction_recogniser(backbone, in_channels).eval()
    ours = network(name).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = views(PARAMS.experiments[name], 2)
    with torch.no_grad():
        volume = ours.input_step(x)
        expected = theirs.cls_head(theirs.backbone(volume))
        torch.testing.assert_close(ours(x), expected, atol=1e-5, rtol=1e-5)
