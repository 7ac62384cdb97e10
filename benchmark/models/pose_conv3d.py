"""PoseConv3D: a SlowOnly ResNet over heat-map volumes (Duan et al., CVPR 2022), or over frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from benchmark.core.schema import Positive, Share
from benchmark.models.backbone import BackboneSpec, Inflate, Stride

if TYPE_CHECKING:
    from torch import nn

    from benchmark.data.inputs import Input
    from benchmark.models.preprocessors import Preprocessor
    from benchmark.models.recognizer import Recognizer


class PoseConv3d(BackboneSpec):
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

    def build(
        self, preprocessor: Preprocessor, input_spec: Input, *, num_classes: int
    ) -> Recognizer:
        """Build the network from scratch: maps or colors -> `num_classes` logits."""
        from benchmark.models.mmaction_import import EXPANSION
        from benchmark.models.recognizer import Head, Recognizer

        width = self.base_channels * 2 ** (len(self.stage_blocks) - 1) * EXPANSION
        head = Head(width, num_classes, self.dropout)  # drawn before the backbone
        return Recognizer(preprocessor, self.layers(preprocessor.out_channels), head)

    def layers(self, in_channels: int) -> nn.Module:
        """Build ResNet3dSlowOnly: (B, in_channels, T, H, W) -> (B, C, T', H', W')."""
        from benchmark.models.mmaction_import import build_backbone

        stages = len(self.stage_blocks)
        arguments = {
            "depth": 50,
            "pretrained": None,
            "in_channels": in_channels,
            "base_channels": self.base_channels,
            "num_stages": stages,
            "out_indices": (stages - 1,),
            "stage_blocks": self.stage_blocks,
            "conv1_stride_s": self.stem_stride,
            "pool1_stride_s": self.pool_stride,
            "inflate": self.inflate,
            "spatial_strides": self.spatial_strides,
            "temporal_strides": self.temporal_strides,
            "dilations": (1,) * stages,
        }
        return build_backbone("ResNet3dSlowOnly", arguments)
