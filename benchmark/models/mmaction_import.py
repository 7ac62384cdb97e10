"""The only module that imports mmaction2 (1.2.0) and mmengine: a source of backbones.

mmaction2 has been without a release since 2023. What stands between it and today's torch and
numpy is mended here at its first import; nothing else of the program is touched. See
`docs/decisions/0003-mmaction2-as-a-source-of-backbones.md`.
"""

from __future__ import annotations

import importlib.metadata
import logging
import sys
import types
import warnings
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils import checkpoint

from benchmark.models.attention import position_bias, window_attention

if TYPE_CHECKING:
    from torch import Tensor, nn

    from benchmark.models.specs import PoseConv3d, RgbPoseConv3d, VideoSwin

LATERAL_SHARE = 16
"""Of the RGB pathway's channels, one in so many reaches the pose pathway."""


@cache
def _backbones() -> Any:
    """`mmaction.models`, imported behind the shim."""
    sys.modules.setdefault("importlib_metadata", importlib.metadata)
    if not hasattr(np, "Inf"):  # removed in numpy 2, used by mmaction's pose transforms
        setattr(np, "Inf", np.inf)  # noqa: B010 - a type checker knows that numpy 2 has none
    # The published wheel lacks this subpackage and imports it (open-mmlab/mmaction2#2714).
    package = types.ModuleType("mmaction.models.localizers.drn")
    package.__path__ = []
    module = types.ModuleType("mmaction.models.localizers.drn.drn")
    setattr(module, "DRN", type("DRN", (), {}))  # noqa: B010
    sys.modules[package.__name__], sys.modules[module.__name__] = package, module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mmcv-lite says at each import that it has no ops
        import mmaction.utils.dependency as dependency

        dependency.WITH_MULTIMODAL = False  # would import parts of transformers that are gone
        import mmaction.models as models
        from mmengine.logging import MMLogger
    # Its Swin calls meshgrid in the old way, which torch tells of in the middle of a training.
    warnings.filterwarnings("ignore", message=r"torch\.meshgrid", category=UserWarning)
    MMLogger.get_current_instance().setLevel(logging.ERROR)  # it would list every tensor it fills
    _mend_checkpoints(models.backbones)
    return models


def _mend_checkpoints(backbones: types.ModuleType) -> None:
    """Torch wants to be told how to compute again; mmaction2 does not tell."""
    mended = types.SimpleNamespace(checkpoint=partial(checkpoint.checkpoint, use_reentrant=False))
    for module in vars(backbones).values():
        for name in ("checkpoint", "cp"):
            if getattr(module, name, None) is checkpoint:
                setattr(module, name, mended)


def slow_only(spec: PoseConv3d, *, in_channels: int) -> nn.Module:
    """ResNet3dSlowOnly (B, in_channels, T, H, W) -> (B, C, T', H', W'), from scratch."""
    stages = len(spec.stage_blocks)
    backbone = _backbones().ResNet3dSlowOnly(
        depth=50,
        pretrained=None,
        in_channels=in_channels,
        base_channels=spec.base_channels,
        num_stages=stages,
        out_indices=(stages - 1,),
        stage_blocks=spec.stage_blocks,
        conv1_stride_s=spec.stem_stride,
        pool1_stride_s=spec.pool_stride,
        inflate=spec.inflate,
        spatial_strides=spec.spatial_strides,
        temporal_strides=spec.temporal_strides,
        dilations=(1,) * stages,
    )
    backbone.init_weights()
    return backbone


def rgb_pose_conv3d(spec: RgbPoseConv3d, *, in_channels: int) -> nn.Module:
    """RGBPoseConv3D, from scratch.

    Takes (B, 3, T, H, W) and (B, in_channels, T', H', W'), gives the features of both pathways.
    """
    rgb = {
        "num_stages": 4,
        "stage_blocks": spec.rgb.stage_blocks,
        "base_channels": spec.rgb.base_channels,
        "inflate": spec.rgb.inflate,
        "lateral_infl": 1,
        "lateral_activate": (0, 0, 1, 1),
    }
    pose = {
        "num_stages": 3,
        "stage_blocks": spec.pose.stage_blocks,
        "in_channels": in_channels,
        "base_channels": spec.pose.base_channels,
        "inflate": spec.pose.inflate,
        "lateral_inv": True,
        "lateral_infl": LATERAL_SHARE,
        "lateral_activate": (0, 1, 1),
        "out_indices": (2,),
        "conv1_stride_s": spec.pose.stem_stride,
        "conv1_stride_t": 1,
        "pool1_stride_s": 1,
        "pool1_stride_t": 1,
        "spatial_strides": (2, 2, 2),
        "temporal_strides": (1, 1, 1),
        "dilations": (1, 1, 1),
    }
    both = {"lateral": True, "fusion_kernel": 7, "conv1_kernel": (1, 7, 7), "with_pool2": False}
    backbone = _backbones().RGBPoseConv3D(
        pretrained=None,
        speed_ratio=spec.speed_ratio,
        channel_ratio=spec.channel_ratio,
        rgb_pathway={**rgb, **both},
        pose_pathway={**pose, **both},
    )
    backbone.init_weights()
    return backbone


def swin_3d(spec: VideoSwin, *, in_channels: int) -> nn.Module:
    """SwinTransformer3D (B, in_channels, T, H, W) -> (B, C, T', H', W'), from scratch."""
    backbone = _backbones().SwinTransformer3D(
        arch={
            "embed_dims": spec.embed_dims,
            "depths": list(spec.depths),
            "num_heads": list(spec.num_heads),
        },
        pretrained=None,
        pretrained2d=False,
        patch_size=spec.patch_size,
        in_channels=in_channels,
        window_size=spec.window_size,
        out_indices=(len(spec.depths) - 1,),
        drop_path_rate=spec.drop_path,
        with_cp=spec.recompute,
    )
    backbone.init_weights()
    _hasten(backbone)
    return backbone


def _hasten(backbone: Any) -> None:
    """Give window attention our forward pass; parameters, buffers and their names stay."""
    plain, ours = _window_attention()
    for module in backbone.modules():
        if type(module) is plain and not module.attn_drop.p:
            module.__class__ = ours


@cache
def _window_attention() -> tuple[Any, Any]:
    """mmaction2's class, and the same with a faster forward pass."""
    _backbones()
    from mmaction.models.backbones.swin import WindowAttention3D

    class WindowAttention(WindowAttention3D):
        relative_position_index: Tensor

        def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
            windows, tokens, _ = x.shape
            qkv = self.qkv(x).view(windows, tokens, 3, self.num_heads, -1)
            index = self.relative_position_index[:tokens, :tokens]
            bias = position_bias(self.relative_position_bias_table, index)
            return self.proj_drop(self.proj(window_attention(qkv, bias, mask, self.scale)))

    return WindowAttention3D, WindowAttention


def backbone_names() -> list[str]:
    """The classes of mmaction.models.backbones."""
    return sorted(_backbones().backbones.__all__)


def backbone_by_name(name: str, arguments: dict[str, Any]) -> nn.Module:
    """One of them, from scratch unless the arguments name a file of weights."""
    models = _backbones()
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope("mmaction"):  # TimeSformer names its layers
        backbone = getattr(models.backbones, name)(**arguments)
        if not getattr(backbone, "pretrained", None):
            for flag in ("pretrained2d", "clip_pretrained"):  # would look for weights even so
                if hasattr(backbone, flag):
                    setattr(backbone, flag, False)
        backbone.init_weights()
    _hasten(backbone)
    return backbone
