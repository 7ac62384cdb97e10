"""Every backbone: shape, gradients, determinism, mixing; parity with mmaction2's recognizers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import cross_entropy

from benchmark.models import recognizer
from benchmark.models.conv_stem import ConvStem
from benchmark.models.recognizer import Mix
from benchmark.models.rgb_pose_conv3d import RgbPoseConv3d
from small_networks import CLASSES, NETWORKS, Network, alive, theirs

every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))


@every_network
def test_logits_have_an_axis_of_heads_and_one_of_classes(network: Network) -> None:
    logits = network.build()(network.views(2))
    heads = 2 if isinstance(network.backbone, RgbPoseConv3d) else 1
    assert logits.shape == (2, heads, CLASSES)
    assert logits.isfinite().all()


@every_network
def test_the_gradient_reaches_every_parameter(network: Network) -> None:
    net = alive(network.build())
    net(network.views(2)).square().sum().backward()
    dead = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.abs().any()]
    assert dead == []


@every_network
def test_evaluation_is_deterministic_and_does_not_mix_clips(network: Network) -> None:
    net, x = alive(network.build()), network.views(3)
    with torch.no_grad():
        together = net(x)
        alone = torch.cat([net(tuple(part[k : k + 1] for part in x)) for k in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    assert not torch.equal(together[0], together[1])


@every_network
def test_the_same_seed_builds_the_same_network(network: Network) -> None:
    one, other = network.build().state_dict(), network.build().state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


@every_network
@torch.no_grad()
def test_casting_volumes_once_gives_the_bits_of_a_copy_and_autocasts_cast(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, x = network.build().eval(), network.views(2)
    seen: list[torch.Tensor] = []
    net.backbone.register_forward_pre_hook(lambda _, volumes: seen.extend(volumes))
    with torch.autocast("cpu", torch.bfloat16):
        found = net(x)
        monkeypatch.setattr(recognizer, "_as_read", copied)
        assert torch.equal(net(x), found)
    once, twice = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    if net.preprocessor.is_volume:
        assert {volume.dtype for volume in once} == {torch.bfloat16}
        assert {volume.dtype for volume in twice} == {torch.float32}
        assert all(v.is_contiguous(memory_format=recognizer.CHANNELS_LAST) for v in once)


def copied(volume: torch.Tensor) -> torch.Tensor:
    """The order alone; autocast casts it before the first convolution."""
    return volume.contiguous(memory_format=recognizer.CHANNELS_LAST)


@pytest.mark.parametrize("name", ["joint", "rgb_joint"])
@torch.no_grad()
def test_mixing_mixes_the_volumes_of_partners(name: str) -> None:
    net, x = NETWORKS[name].build().eval(), NETWORKS[name].views(3)
    share, partner = torch.tensor([1.0, 0.25, 0.5]), torch.tensor([2, 0, 2])
    mixed = [
        torch.stack(
            [s * v[k] + (1 - s) * v[p] for k, (s, p) in enumerate(zip(share, partner, strict=True))]
        )
        for v in net.preprocessor(*x)
    ]
    expected = net.cls_head(net.backbone(*mixed))
    torch.testing.assert_close(net(x, Mix(share, partner)), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(net(x, Mix(share, partner))[0], net(x)[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("stream", ["joint", "limb"])
def test_maps_beside_frames_have_the_sides_of_training_and_of_test(stream: str) -> None:
    network = NETWORKS["rgb_joint"]
    spec = network.spec.model_copy(update={"stream": stream, "size": 64, "test_size": 80})
    network = Network(network.backbone, spec)
    net, (frames, keypoints) = network.build(), network.views(1)
    rgb, maps = net.preprocessor(frames, keypoints)
    assert rgb.shape == (1, 3, 6, 64, 64)
    assert maps.shape == (1, 36, 12, 32, 32)
    net.eval()
    assert net.preprocessor(frames, keypoints)[1].shape == (1, 36, 12, 40, 40)


def test_recomputing_keeps_less_and_changes_nothing() -> None:
    network, found, kept = NETWORKS["swin over heat maps"], [], []
    for recompute in (False, True):
        spec = network.backbone.model_copy(update={"recompute": recompute, "drop_path": 0.5})
        net, numbers = Network(spec, network.spec).build().train(), []
        torch.manual_seed(3)  # for the paths that are dropped
        with saved_tensors_hooks(lambda x, n=numbers: n.append(x.numel()) or x, lambda x: x):
            logits = net(network.views(4))
        logits.square().sum().backward()
        found.append([p.grad for p in net.parameters()])
        kept.append(sum(numbers))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    assert kept[1] < 0.7 * kept[0]


# ---------------------------------------------------------------- mmaction2's recognizers


SLOW_ONLY = {
    "type": "ResNet3dSlowOnly", "depth": 50, "pretrained": None, "in_channels": 36,
    "base_channels": 16, "num_stages": 3, "out_indices": (2,), "stage_blocks": (2, 2, 2),
    "conv1_stride_s": 2, "pool1_stride_s": 1, "inflate": (1, 1, 1), "spatial_strides": (2, 2, 2),
    "temporal_strides": (1, 1, 1), "dilations": (1, 1, 1),
}  # fmt: skip
SLOW_ONLY_RGB = {
    "type": "ResNet3dSlowOnly", "depth": 50, "pretrained": None, "base_channels": 16,
    "stage_blocks": (1, 2, 2, 1), "inflate": (0, 1, 1, 1),
}  # fmt: skip
SWIN = {
    "type": "SwinTransformer3D",
    "arch": {"embed_dims": 40, "depths": [2, 2, 2], "num_heads": [4, 8, 16]},
    "pretrained": None, "pretrained2d": False, "patch_size": (2, 8, 8),
    "window_size": (4, 3, 3), "out_indices": (2,),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "backbone", "width"),
    [
        ("joint", SLOW_ONLY, 256), ("limb", SLOW_ONLY, 256), ("rgb", SLOW_ONLY_RGB, 512),
        ("swin with patches", SWIN, 160),
    ],
)  # fmt: skip
@torch.no_grad()
def test_weights_of_mmactions_recognizer_load_and_give_its_logits(
    name: str, backbone: dict[str, Any], width: int
) -> None:
    net = theirs("Recognizer3D", backbone, {"type": "I3DHead", "in_channels": width})
    ours, x = NETWORKS[name].build().eval(), NETWORKS[name].views(2)
    ours.load_state_dict(net.state_dict(), strict=True)
    expected = net.cls_head(net.backbone(*ours.preprocessor(*x)))
    assert expected.std() > 0.1
    torch.testing.assert_close(ours(x)[:, 0], expected, atol=1e-5, rtol=1e-5)


def two_pathways() -> torch.nn.Module:
    both = {"lateral": True, "fusion_kernel": 7, "conv1_kernel": (1, 7, 7), "with_pool2": False}
    backbone = {
        "type": "RGBPoseConv3D", "pretrained": None, "speed_ratio": 2, "channel_ratio": 2,
        "rgb_pathway": both | {
            "num_stages": 4, "lateral_infl": 1, "lateral_activate": (0, 0, 1, 1),
            "base_channels": 16, "stage_blocks": (1, 2, 2, 1), "inflate": (0, 1, 1, 1),
        },
        "pose_pathway": both | {
            "num_stages": 3, "stage_blocks": (2, 2, 2), "lateral_inv": True, "lateral_infl": 16,
            "lateral_activate": (0, 1, 1), "in_channels": 36, "base_channels": 16,
            "out_indices": (2,), "conv1_stride_s": 2, "conv1_stride_t": 1, "pool1_stride_s": 1,
            "pool1_stride_t": 1, "inflate": (1, 1, 1), "spatial_strides": (2, 2, 2),
            "temporal_strides": (1, 1, 1), "dilations": (1, 1, 1),
        },
    }  # fmt: skip
    head = {"type": "RGBPoseHead", "in_channels": [512, 256], "dropout": 0.2}
    return theirs("MMRecognizer3D", backbone, head | {"loss_weights": [1.0, 1.0]})


@torch.no_grad()
def test_weights_of_mmactions_two_pathways_load_and_give_its_logits_and_loss() -> None:
    from mmaction.structures import ActionDataSample

    net, network = two_pathways(), NETWORKS["rgb_joint"]
    ours, x = network.build().eval(), network.views(3)
    ours.load_state_dict(net.state_dict(), strict=True)
    frames, maps = ours.preprocessor(*x)
    views = {"imgs": frames[:, None], "heatmap_imgs": maps[:, None]}
    expected, _ = net.extract_feat(views, stage="head")
    logits = ours(x)
    assert expected["rgb"].std() > 0.1
    assert expected["pose"].std() > 0.1
    torch.testing.assert_close(logits[:, 0], expected["rgb"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(logits[:, 1], expected["pose"], atol=1e-5, rtol=1e-5)
    labels = torch.tensor([3, 0, 31])  # its loss fails at a batch of as many clips as classes
    samples = [ActionDataSample().set_gt_label(int(label)) for label in labels]
    losses = net.cls_head.loss_by_feat(expected, samples)
    found = cross_entropy(logits[:, 0], labels) + cross_entropy(logits[:, 1], labels)
    torch.testing.assert_close(found, losses["rgb_loss_cls"] + losses["pose_loss_cls"])


@pytest.mark.parametrize("view", [(8, 96, 96), (8, 56, 80), (5, 51, 90)])
def test_convolutions_make_as_many_tokens_as_patches(view: tuple[int, int, int]) -> None:
    stem = ConvStem(3, (4, 6), 10)
    assert stem(torch.rand(2, 3, *view)).shape == (
        2,
        10,
        *(-(-n // p) for n, p in zip(view, (2, 8, 8), strict=True)),
    )


def test_a_token_of_a_stem_sees_beyond_its_patch_in_space_and_in_time() -> None:
    x = torch.rand(1, 3, 8, 64, 64, requires_grad=True)
    ConvStem(3, (4, 6), 10).eval()(x)[0, :, 1, 4, 4].sum().backward()
    assert x.grad is not None
    frames, lines = (x.grad[0].abs().amax(axes).nonzero() for axes in ((0, 2, 3), (0, 1, 3)))
    assert frames.flatten().tolist() == [1, 2, 3]
    assert len(lines) > 8


def test_heads_start_as_those_of_mmaction2() -> None:
    for name, layers in (("joint", ["fc_cls"]), ("rgb_joint", ["fc_rgb", "fc_pose"])):
        head = NETWORKS[name].build().cls_head
        for layer in layers:
            linear = getattr(head, layer)
            assert not linear.bias.any()
            assert linear.weight.std().item() == pytest.approx(0.01, rel=0.1)
