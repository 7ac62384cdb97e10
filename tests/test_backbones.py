"""mmaction2's backbones by name: what they give is pooled right, and wrong settings are told."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import nn

from benchmark.core.errors import TrainingError
from benchmark.data.video_input import VideoInput
from benchmark.models import pooling
from benchmark.models.mmaction2 import Mmaction2Backbone
from benchmark.models.rgb_pose_conv3d import RgbPoseConv3d
from small_networks import CLASSES, NETWORKS, NORM, Network, alive, theirs

SLIM = {"base_channels": 4, "stage_blocks": [1, 1, 1, 1]}
SLOWFAST = {
    "resample_rate": 4, "speed_ratio": 4, "channel_ratio": 4,
    "slow_pathway": {
        "type": "resnet3d", "depth": 50, "pretrained": None, "lateral": True,
        "conv1_kernel": [1, 7, 7], "conv1_stride_t": 1, "pool1_stride_t": 1,
        "inflate": [0, 0, 1, 1], "base_channels": 8, "stage_blocks": [1, 1, 1, 1],
    },
    "fast_pathway": {
        "type": "resnet3d", "depth": 50, "pretrained": None, "lateral": False,
        "conv1_kernel": [5, 7, 7], "conv1_stride_t": 1, "pool1_stride_t": 1, "base_channels": 2,
        "stage_blocks": [1, 1, 1, 1],
    },
}  # fmt: skip
R2PLUS1D = {
    "depth": 18, "base_channels": 8, "pretrained": None, "pretrained2d": False,
    "conv1_kernel": [3, 7, 7], "conv1_stride_t": 1, "pool1_stride_t": 1, "inflate": [1, 1, 1, 1],
    "temporal_strides": [1, 2, 2, 2], "conv_cfg": {"type": "Conv2plus1d"},
    "norm_cfg": {"type": "BN3d", "requires_grad": True, "eps": 1e-3},
    "act_cfg": {"type": "ReLU", "inplace": True}, "norm_eval": False, "zero_init_residual": False,
}  # fmt: skip
MVIT = {
    "arch": {"embed_dims": 16, "num_layers": 2, "num_heads": 1, "downscale_indices": [1]},
    "spatial_size": 32, "temporal_size": 8,
}  # fmt: skip
UNIFORMERV2 = {
    "input_resolution": 32, "patch_size": 8, "width": 32, "layers": 2, "heads": 2, "t_size": 8,
    "return_list": [0, 1], "n_layers": 2, "n_dim": 32, "n_head": 2, "mlp_dropout": [0.0, 0.0],
}  # fmt: skip
TIMESFORMER = {
    "num_frames": 8, "img_size": 32, "patch_size": 8, "embed_dims": 32, "num_heads": 2,
    "num_transformer_layers": 2,
}  # fmt: skip

Time = Literal["axis", "batch"]
ZOO: dict[str, tuple[dict[str, Any], int, Time]] = {
    "ResNet3dSlowOnly": (SLIM, 128, "axis"),
    "ResNet3d": ({**SLIM, "depth": 50}, 128, "axis"),
    "ResNet3dCSN": ({**SLIM, "depth": 50, "pretrained": None, "base_channels": 8}, 256, "axis"),
    "ResNet3dSlowFast": (SLOWFAST, 320, "axis"),
    "ResNet2Plus1d": (R2PLUS1D, 64, "axis"),
    "C3D": ({"out_dim": 2048, "dropout_ratio": 0.0}, 4096, "axis"),
    "MViT": (MVIT, 32, "axis"),
    "UniFormer": (
        {"depth": [1, 1, 1, 1], "embed_dim": [16, 16, 32, 32], "head_dim": 16, "img_size": 32},
        32, "axis",
    ),
    "UniFormerV2": (UNIFORMERV2, 32, "axis"),
    "TimeSformer": (TIMESFORMER, 32, "axis"),
    "VisionTransformer": (
        {
            "img_size": 32, "patch_size": 8, "embed_dims": 32, "depth": 2, "num_heads": 2,
            "num_frames": 8,
        },
        32, "axis",
    ),
    "ResNet": ({"depth": 18}, 512, "batch"),
    "ResNetTSM": ({"depth": 18, "num_segments": 8}, 512, "batch"),
    "MobileNetV2TSM": ({"num_segments": 8, "widen_factor": 0.25}, 1280, "batch"),
}  # fmt: skip
"""Arguments, channels, time; X3D is among the networks of test_models."""

NOT_SEEN_BY_THE_CLASS_TOKEN = {
    f"backbone.blocks.1.attn.{name}"
    for name in ("rel_pos_h", "rel_pos_w", "rel_pos_t", "pool_q.weight")
}
"""Of MViT's last block: its head reads nothing else."""


def network(
    name: str, arguments: dict[str, Any], channels: int, time: Time = "axis", frames: int = 8
) -> Network:
    """With frames of 32 x 32 before it."""
    spec = NETWORKS["swin_rgb"].spec
    assert isinstance(spec, VideoInput)
    spec = spec.model_copy(update={"size": 32, "frames": frames, "normalization": NORM})
    backbone = Mmaction2Backbone(
        kind="mmaction2", name=name, arguments=arguments, channels=channels, time=time,
        dropout=0.1,
    )  # fmt: skip
    return Network(backbone, spec)


def in_zoo(name: str) -> Network:
    arguments, channels, time = ZOO[name]
    return network(name, arguments, channels, time, frames=16 if name == "C3D" else 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZOO)
def test_backbones_by_name_take_views_and_are_trained_whole(name: str) -> None:
    entry = in_zoo(name)
    before = entry.backbone.model_dump_json()
    net, x = alive(entry.build()), entry.views(3)
    together = net(x)
    assert together.shape == (3, 1, CLASSES)
    assert together.isfinite().all()
    alone = torch.cat([net((clip[None],)) for clip in x[0]])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    together.square().sum().backward()
    dead = {key for key, p in net.named_parameters() if p.grad is None or not p.grad.abs().any()}
    assert dead == (NOT_SEEN_BY_THE_CLASS_TOKEN if name == "MViT" else set())
    assert net.train()(x).isfinite().all()
    assert entry.backbone.model_dump_json() == before  # some write into their arguments


HEADS: dict[str, tuple[str, dict[str, Any]]] = {
    "ResNet3d": ("Recognizer3D", {"type": "I3DHead"}),
    "ResNet3dSlowFast": ("Recognizer3D", {"type": "SlowFastHead"}),
    "MViT": ("Recognizer3D", {"type": "MViTHead"}),
    "TimeSformer": ("Recognizer3D", {"type": "TimeSformerHead"}),
    "ResNetTSM": ("Recognizer2D", {"type": "TSMHead", "num_segments": 8}),
}


@pytest.mark.parametrize("name", HEADS)
@torch.no_grad()
def test_features_are_pooled_as_by_mmactions_head(name: str) -> None:
    kind, head = HEADS[name]
    arguments, channels, _ = ZOO[name]
    net = theirs(kind, {"type": name, **arguments}, {**head, "in_channels": channels})
    ours, x = in_zoo(name).build().eval(), in_zoo(name).views(2)
    ours.load_state_dict(net.state_dict(), strict=True)
    (volume,) = ours.preprocessor(*x)
    if kind == "Recognizer2D":
        expected = net.cls_head(net.backbone(volume.transpose(1, 2).flatten(0, 1)), num_segs=8)
    else:
        expected = net.cls_head(net.backbone(volume))
    assert expected.std() > 0.1
    torch.testing.assert_close(ours(x)[:, 0], expected, atol=1e-4, rtol=1e-4)


def test_several_outputs_and_patch_tokens_are_pooled() -> None:
    stages = network("ResNet3d", {**SLIM, "depth": 50, "out_indices": [1, 3]}, 32 + 128)
    assert stages.build()(stages.views(2)).shape == (2, 1, CLASSES)
    patches = network("MViT", {**MVIT, "output_cls_token": False}, 32)
    assert patches.build()(patches.views(2)).shape == (2, 1, CLASSES)
    tokens = torch.rand(4, 7, 5)
    pooled = pooling._pool(nn.Identity(), (torch.empty(4),), [tokens], frames=None)
    torch.testing.assert_close(pooled, tokens.mean(1))
    images = torch.rand(4, 5, 3, 3)
    pooled = pooling._pool(nn.Identity(), (torch.empty(4),), images, frames=2)
    torch.testing.assert_close(pooled, images.mean((2, 3)).view(2, 2, 5).mean(1))


@pytest.mark.parametrize(
    ("name", "arguments", "channels", "time", "message"),
    [
        ("X3", {}, 1, "axis", r"no such backbone. Did you mean X3D"),
        ("Recognizer3D", {}, 1, "axis", r"no such backbone"),
        ("zzz", {}, 1, "axis", r"no such backbone. It has AAGCN, C2D"),
        ("ResNet3d", {"dpeth": 50}, 1, "axis", r"cannot be built.*TypeError.*'dpeth'"),
        ("ResNet3d", {"depth": 51}, 1, "axis", r"cannot be built.*invalid depth 51"),
        ("ResNet2Plus1d", {"depth": 18}, 1, "axis", r"AssertionError: assert self.pretrained2d"),
        ("ResNet", {"depth": 18}, 512, "axis", r"does not take views of 3 x 8 x 32 x 32"),
        ("ResNet3d", SLIM, 128, "batch", r"does not take views of 3 x 8 x 32 x 32"),
        ("RGBPoseConv3D", {}, 1, "axis", r"does not take views.*heatmap_imgs"),
        ("ResNetTIN", {"depth": 50, "num_segments": 8}, 1, "batch", r"tin_shift"),
        ("ResNet3d", SLIM, 96, "axis", r"channels of the features of ResNet3d.*128; found 96"),
        ("ResNetTSM", {"depth": 18, "num_segments": 4}, 512, "batch", r"expected 8; found 4"),
        ("ResNetTSM", {"depth": 18, "num_segments": 16}, 512, "batch", r"expected 8; found 16"),
        ("UniFormerV2", {**UNIFORMERV2, "t_size": 4}, 32, "axis", r"gives 4 rows .* for 2 views"),
        ("UniFormerV2", {**UNIFORMERV2, "t_size": 16}, 32, "axis", r"gives 1 rows .* for 2 views"),
    ],
)
def test_wrong_settings_are_told_before_training(
    name: str, arguments: dict[str, Any], channels: int, time: Time, message: str
) -> None:
    with pytest.raises(TrainingError, match=message) as caught:
        network(name, arguments, channels, time).build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ResNet3d", {**SLIM, "pretrained": "https://example.org/weights.pth"}),
        ("ResNet3d", {**SLIM, "pretrained": "torchvision://resnet50"}),
        ("UniFormer", {"pretrained": "imagenet1k-pretrained"}),
        ("MViT", {**MVIT, "init_cfg": {"type": "Pretrained", "checkpoint": "https://a.b/c.pth"}}),
        ("MViT", {**MVIT, "init_cfg": [{"type": "Pretrained", "checkpoint": "mmcls://vit"}]}),
        ("ResNet3dSlowFast", {"slow_pathway": {"type": "resnet3d", "pretrained": "nowhere.pth"}}),
    ],
)
def test_weights_are_not_fetched(name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="no such file .*The harness downloads nothing"):
        network(name, arguments, 1).build()


# ---------------------------------------------------------------- two pathways


def joined(spec: dict[str, Any] | None = None, pose: dict[str, Any] | None = None, **top: Any):
    """The two pathways of params.yaml with some numbers changed."""
    base = NETWORKS["rgb_joint"]
    assert isinstance(base.backbone, RgbPoseConv3d)
    pathway = base.backbone.pose.model_copy(update=pose)
    backbone = base.backbone.model_copy(update={"pose": pathway, **top})
    sides = {"size": 64, "test_size": 72}
    return Network(backbone, base.spec.model_copy(update=sides | (spec or {})))


@pytest.mark.parametrize("speed", [1, 2, 3, 4, 8])
@pytest.mark.parametrize(("stem", "scale"), [(1, 0.25), (2, 0.5)])
def test_pathways_meet_at_any_speed_ratio(speed: int, stem: int, scale: float) -> None:
    frames = {"rgb_frames": 2, "pose_frames": 2 * speed, "map_scale": scale}
    entry = joined(pose={"stem_stride": stem}, spec=frames, speed_ratio=speed)
    assert entry.build()(entry.views(2)).isfinite().all()


def test_pathways_may_be_slim() -> None:
    base = NETWORKS["rgb_joint"].backbone
    assert isinstance(base, RgbPoseConv3d)
    slim = base.rgb.model_copy(update={"base_channels": 4})
    entry = joined(pose={"base_channels": 2}, rgb=slim, channel_ratio=4)
    assert entry.build()(entry.views(2)).shape == (2, 2, CLASSES)


@pytest.mark.parametrize(("stem", "scale", "right"), [(2, 0.25, "0.5"), (1, 0.5, "0.25")])
def test_maps_of_a_wrong_scale_are_told(stem: int, scale: float, right: str) -> None:
    message = rf"input.map_scale: must be backbone.pose.stem_stride / 4 \({right}\); found {scale}"
    with pytest.raises(TrainingError, match=message):
        joined(pose={"stem_stride": stem}, spec={"map_scale": scale}).build()


def test_a_wrong_scale_is_told_even_if_only_views_of_test_show_it() -> None:
    with pytest.raises(
        TrainingError, match="frames of 240 give features of 30, heat maps of 124 features of 31"
    ):
        joined(spec={"size": 32, "test_size": 240, "map_scale": 0.515}).build()


def test_a_backbone_takes_no_input_of_another_number_of_volumes() -> None:
    both, video = NETWORKS["rgb_joint"], NETWORKS["swin_rgb"]
    one = "backbone: cannot take input 'rgb_pose', it has only one pathway"
    assert video.backbone.faults(both.spec) == [one]
    two = "backbone: cannot take input 'video', it has two pathways"
    assert both.backbone.faults(video.spec) == [two]
    for network in NETWORKS.values():
        assert network.backbone.faults(network.spec) == []
    with pytest.raises(TrainingError, match="it has two pathways"):
        Network(both.backbone, video.spec).build()


def test_everything_that_keeps_pathways_apart_is_told_at_once() -> None:
    entry = joined(spec={"map_scale": 0.25, "pose_frames": 11}, channel_ratio=4)
    told = [text.split(":")[0] for text in entry.backbone.faults(entry.spec)]
    assert told == ["input.pose_frames", "backbone.channel_ratio", "input.map_scale"]


def test_channels_that_do_not_meet_are_told() -> None:
    with pytest.raises(TrainingError, match=r"channel_ratio: .*pose.base_channels \(2\); found 4"):
        joined(channel_ratio=4).build()
