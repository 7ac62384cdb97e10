"""The only module that imports mmaction2 (1.2.0) and mmengine: a source of backbones.

mmaction2 has been without a release since 2023. What stands between it and today's torch and
numpy is mended here before its first import; nothing else of the program is touched. See
`docs/decisions/0003-mmaction2-as-a-source-of-backbones.md`.
"""

from __future__ import annotations

import importlib.metadata
import logging
import sys
import types
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn

    from benchmark.params import PoseConv3d, VideoSwin


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
    return models


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
        pool1_stride_s=1,
        inflate=spec.inflate,
        spatial_strides=spec.spatial_strides,
        temporal_strides=spec.temporal_strides,
        dilations=(1,) * stages,
    )
    backbone.init_weights()
    return backbone


def swin_3d(spec: VideoSwin) -> nn.Module:
    """SwinTransformer3D (B, 3, T, H, W) -> (B, C, T', H', W'), from scratch."""
    backbone = _backbones().SwinTransformer3D(
        arch={
            "embed_dims": spec.embed_dims,
            "depths": list(spec.depths),
            "num_heads": list(spec.num_heads),
        },
        pretrained=None,
        pretrained2d=False,
        patch_size=spec.patch_size,
        window_size=spec.window_size,
        out_indices=(len(spec.depths) - 1,),
        drop_path_rate=spec.drop_path,
    )
    backbone.init_weights()
    return backbone
