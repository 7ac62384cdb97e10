"""PoseConv3D: a SlowOnly ResNet over heat-map volumes (Duan et al., CVPR 2022), or over frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from benchmark.core.schema import Positive, Share
from benchmark.models.backbone import Inflate, OnePathway, Stride

if TYPE_CHECKING:
    from torch import nn


class PoseConv3d(OnePathway):
    """SlowOnly ResNet3d over heat maps or frames (Duan et al., CVPR 2022)."""

    kind: Literal["pose_conv3d"]
    base_channels: Positive
    """Channels after the first convolution."""
    stem_stride: Stride
    """Spatial stride of the first convolution."""
    pool_stride: Stride
    """Spatial stride of the pooling after the first convolution."""
    stage_blocks: tuple[Positive, ...]
    """Residual blocks of each stage, one to four stages."""
    spatial_strides: tuple[Positive, ...]
    """Spatial stride of each stage."""
    temporal_strides: tuple[Positive, ...]
    """Temporal stride of each stage."""
    inflate: tuple[Inflate, ...]
    """Per stage: 1 for convolutions over time in its blocks."""
    dropout: Share
    """Dropout before the last layer, in training."""

    @model_validator(mode="after")
    def _lengths_fit(self) -> PoseConv3d:
        stages = len(self.stage_blocks)
        if not 1 <= stages <= 4:
            raise ValueError(f"stage_blocks has {stages} stages; a ResNet has 1 to 4")
        for name in ("spatial_strides", "temporal_strides", "inflate"):
            if (length := len(getattr(self, name))) != stages:
                raise ValueError(f"{name} has {length} numbers for {stages} stages")
        return self

    @property
    def width(self) -> int:
        from benchmark.models.mmaction_import import EXPANSION

        return self.base_channels * 2 ** (len(self.stage_blocks) - 1) * EXPANSION

    def layers(self, in_channels: int) -> nn.Module:
        from benchmark.models.mmaction_import import build_backbone

        stages = len(self.stage_blocks)
        named_alike = {
            "base_channels", "stage_blocks", "inflate", "spatial_strides", "temporal_strides"
        }  # fmt: skip
        arguments = {
            **self.model_dump(include=named_alike),
            "depth": 50, "pretrained": None, "in_channels": in_channels, "num_stages": stages,
            "out_indices": (stages - 1,), "dilations": (1,) * stages,
            "conv1_stride_s": self.stem_stride, "pool1_stride_s": self.pool_stride,
        }  # fmt: skip
        return build_backbone("ResNet3dSlowOnly", arguments)
