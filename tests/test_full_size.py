"""The networks of the paper: their published sizes, and that each takes its views.

On the meta device, where shapes are followed and nothing is computed.
"""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.data.graph_input import GraphInput
from benchmark.data.rgb_pose_input import RgbPoseInput
from benchmark.data.skeleton_input import SkeletonInput
from benchmark.data.video_input import VideoInput
from benchmark.data.views import FramesInput
from benchmark.models import mmaction_import as mmaction
from benchmark.models.network import build
from benchmark.models.pose_conv3d import PoseConv3d
from benchmark.models.recognizer import Recognizer
from benchmark.models.rgb_pose_conv3d import PosePathway, RgbPathway, RgbPoseConv3d
from benchmark.models.union import Backbone
from benchmark.models.video_swin import VideoSwin
from benchmark.models.vision_transformer import VisionTransformer
from benchmark.params.params import Experiment
from benchmark.presets.preset import paper
from small_networks import CLASSES, NORM

SKELETON = SkeletonInput(
    kind="skeleton", stream="joint", frames=48, size=56, test_size=64, sigma=0.6,
    crop_area=(0.56, 1.0), flip=0.5, views=10, flip_views=True,
)  # fmt: skip
JOINT = PoseConv3d(
    kind="pose_conv3d", base_channels=32, stem_stride=1, pool_stride=1, stage_blocks=(4, 6, 3),
    spatial_strides=(2, 2, 2), temporal_strides=(1, 1, 2), inflate=(0, 1, 1), dropout=0.5,
)  # fmt: skip
RGB_POSE = RgbPoseInput(
    kind="rgb_pose", stream="joint", rgb_frames=8, pose_frames=32, size=224, test_size=256,
    map_scale=0.25, sigma=0.7, crop_area=(0.56, 1.0), flip=0.5, normalization=NORM, views=10,
)  # fmt: skip
TWO_PATHWAYS = RgbPoseConv3d(
    kind="rgb_pose_conv3d", speed_ratio=4, channel_ratio=4,
    rgb=RgbPathway(base_channels=64, stage_blocks=(3, 4, 6, 3), inflate=(0, 0, 1, 1)),
    pose=PosePathway(base_channels=32, stem_stride=1, stage_blocks=(4, 6, 3), inflate=(0, 1, 1)),
    dropout=0.5,
)  # fmt: skip
VIDEO = VideoInput.model_validate_json(
    """{"kind": "video", "frames": 32, "size": 224, "resize": 256,
    "sampling": {"kind": "interval", "interval": 2}, "region": "frame", "crop_area": [0.08, 1.0],
    "crop_ratio": [0.75, 1.33], "flip": 0.5, "views": 4, "crops": 3,
    "normalization": {"kind": "temporal_mean_removed", "scale": 1.0}}"""
)

SIXTEEN = VIDEO.model_copy(update={"frames": 16})


def swin(width: int, depth: int, heads: int) -> VideoSwin:
    return VideoSwin(
        kind="video_swin", embed_dims=width, depths=(2, 2, depth, 2),
        num_heads=(heads, 2 * heads, 4 * heads, 8 * heads), patch_size=(2, 4, 4),
        window_size=(8, 7, 7), drop_path=0.1, dropout=0.5, recompute=False,
    )  # fmt: skip


def vit(width: int, depth: int, heads: int) -> VisionTransformer:
    return VisionTransformer(
        kind="vision_transformer", embed_dims=width, depth=depth, num_heads=heads, patch_size=16,
        tubelet_size=2, positions=None, drop_path=0.1, dropout=0.0,
    )  # fmt: skip


Spec = SkeletonInput | RgbPoseInput | VideoInput | GraphInput
PUBLISHED: dict[str, tuple[Spec, Backbone, float, float]] = {
    "PoseConv3D": (SKELETON, JOINT, 2.04, 20.1),
    "RGBPoseConv3D": (RGB_POSE, TWO_PATHWAYS, 36.11, 61.0),
    "Swin-T": (VIDEO, swin(96, 6, 3), 27.88, 87.8),
    "Swin-S": (VIDEO, swin(96, 18, 3), 49.53, 165.7),
    "Swin-B": (VIDEO, swin(128, 18, 4), 87.67, 281.3),
    # VideoMAE's table of models says 22, 87 and 305 million, and 57, 180 and 597 thousand million.
    "ViT-S": (SIXTEEN, vit(384, 12, 6), 21.89, 56.9),
    "ViT-B": (SIXTEEN, vit(768, 12, 12), 86.25, 180.3),
    "ViT-L": (SIXTEEN, vit(1024, 24, 16), 303.89, 596.8),
}
"""Millions of parameters and thousands of millions of multiply-adds a view, measured on
mmaction2's recognizers."""


@pytest.fixture(autouse=True)
def _shapes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the seconds that random numbers for all parameters take."""
    mmaction.mmaction_models()
    from mmengine.model import BaseModule

    monkeypatch.setattr(BaseModule, "init_weights", lambda _: None)
    monkeypatch.setattr(torch, "linspace", partial(torch.linspace, device="cpu"))  # Swin's rates


def on_meta(backbone: Backbone, spec: Spec) -> Recognizer:
    with torch.device("meta"):
        return build(backbone, spec, OPENPOSE36, num_classes=CLASSES)


def volumes(spec: Spec, side: int) -> list[torch.Tensor]:
    """Make what the preprocessor returns for one view."""
    match spec:
        case SkeletonInput():
            shapes = [(36, spec.frames, side)]
        case VideoInput():
            shapes = [(3, spec.frames, side)]
        case RgbPoseInput():
            maps = round(side * spec.map_scale)
            shapes = [(3, spec.rgb_frames, side), (36, spec.pose_frames, maps)]
        case GraphInput():
            return [torch.empty(1, 1, spec.frames, 36, 3, device="meta")]
    return [torch.empty(1, c, t, s, s, device="meta") for c, t, s in shapes]


@pytest.mark.parametrize("name", PUBLISHED)
def test_full_networks_have_the_published_sizes(name: str) -> None:
    spec, backbone, millions, thousand_millions = PUBLISHED[name]
    net = on_meta(backbone, spec).eval()
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.006)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.cls_head(net.backbone(*volumes(spec, spec.size)))
    assert counter.get_total_flops() / 2e9 == pytest.approx(thousand_millions, rel=0.005)


@pytest.mark.parametrize("experiment", paper().experiments.values(), ids=list(paper().experiments))
def test_the_papers_networks_take_their_views(experiment: Experiment) -> None:
    spec = experiment.input
    if isinstance(spec, FramesInput):
        spec = spec.model_copy(update={"normalization": NORM})
    net = on_meta(experiment.backbone, spec).eval()
    heads = 2 if isinstance(spec, RgbPoseInput) else 1
    for side in {getattr(spec, key, 0) for key in ("size", "test_size")} - {0} or {0}:
        with torch.no_grad():
            logits = net.cls_head(net.backbone(*volumes(spec, side)))
        assert logits.shape == (1, heads, CLASSES)


def test_the_papers_networks_are_the_published_ones() -> None:
    found = {name: entry.backbone for name, entry in paper().experiments.items()}
    assert found["joint"] == found["limb"] == JOINT
    assert found["rgb_joint"] == found["rgb_limb"] == TWO_PATHWAYS
    for name, spec in found.items():
        if isinstance(spec, VideoSwin):
            small = spec.embed_dims == 96
            rest = {"drop_path": spec.drop_path, "recompute": spec.recompute}
            assert spec == swin(*((96, 18, 3) if small else (128, 18, 4))).model_copy(
                update=rest
            ), name
