"""Which network: the numbers of its layers."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue, model_validator

from benchmark.core.schema import Positive, Share, Strict

Stride: TypeAlias = Literal[1, 2]
Inflate: TypeAlias = Literal[0, 1]


class PoseConv3d(Strict):
    """SlowOnly ResNet3d over heat maps or frames (Duan et al., CVPR 2022)."""

    kind: Literal["pose_conv3d"]
    base_channels: Positive
    """Channels after the first convolution."""
    stem_stride: Stride
    """Spatial stride of the first convolution."""
    pool_stride: Stride
    """Spatial stride of the pooling after it."""
    stage_blocks: tuple[Positive, ...]
    """Residual blocks of each stage, one to four stages."""
    spatial_strides: tuple[Positive, ...]
    """Of each stage."""
    temporal_strides: tuple[Positive, ...]
    """Of each stage."""
    inflate: tuple[Inflate, ...]
    """Of each stage: 1 for convolutions over time in its blocks."""
    dropout: Share
    """Before the last layer, in training."""

    @model_validator(mode="after")
    def _fits(self) -> PoseConv3d:
        stages = len(self.stage_blocks)
        if not 1 <= stages <= 4:
            raise ValueError(f"stage_blocks has {stages} stages; a ResNet has 1 to 4")
        for name in ("spatial_strides", "temporal_strides", "inflate"):
            if (found := len(getattr(self, name))) != stages:
                raise ValueError(f"{name} has {found} numbers for {stages} stages")
        return self


class RgbPathway(Strict):
    """The slow pathway: few frames, many channels."""

    base_channels: Positive
    """Channels after the first convolution."""
    stage_blocks: tuple[Positive, Positive, Positive, Positive]
    """Residual blocks of each stage."""
    inflate: tuple[Inflate, Inflate, Inflate, Inflate]
    """Of each stage: 1 for convolutions over time in its blocks."""


class PosePathway(Strict):
    """The fast pathway over heat maps."""

    base_channels: Positive
    """Channels after the first convolution."""
    stem_stride: Stride
    """Spatial stride of the first convolution."""
    stage_blocks: tuple[Positive, Positive, Positive]
    """Residual blocks of each stage."""
    inflate: tuple[Inflate, Inflate, Inflate]
    """Of each stage: 1 for convolutions over time in its blocks."""


class RgbPoseConv3d(Strict):
    """Two PoseConv3D, of frames and of heat maps, with lateral connections both ways."""

    kind: Literal["rgb_pose_conv3d"]
    speed_ratio: Positive
    """Heat maps over RGB frames of a view."""
    channel_ratio: Positive
    """Channels of the RGB pathway over those of the pose pathway, where they meet."""
    rgb: RgbPathway
    pose: PosePathway
    dropout: Share
    """Before both last layers, in training."""


class VideoSwin(Strict):
    """Video Swin transformer (Liu et al., CVPR 2022)."""

    kind: Literal["video_swin"]
    embed_dims: Positive
    """Channels of the first stage; each further one has twice as many."""
    depths: tuple[Positive, ...]
    """Blocks of each stage."""
    num_heads: tuple[Positive, ...]
    """Heads of attention of each stage."""
    patch_size: tuple[Positive, Positive, Positive]
    """Frames, lines and columns that become one token."""
    window_size: tuple[Positive, Positive, Positive]
    """Tokens along time, height and width that attend to each other."""
    drop_path: Share
    """Share of clips for which the last block is skipped in training; earlier ones less."""
    dropout: Share
    """Before the last layer, in training."""
    recompute: bool
    """Compute activations again in the backward pass: less memory, about a third more time."""

    @model_validator(mode="after")
    def _fits(self) -> VideoSwin:
        if len(self.depths) != len(self.num_heads):
            raise ValueError(
                f"num_heads has {len(self.num_heads)} numbers for {len(self.depths)} depths"
            )
        for stage, heads in enumerate(self.num_heads):
            if (width := self.embed_dims * 2**stage) % heads:
                raise ValueError(
                    f"{heads} heads cannot share the {width} channels of stage {stage + 1}"
                )
        return self


class Mmaction2Backbone(Strict):
    """Any other backbone of mmaction2's recognizers, by the name of its class."""

    kind: Literal["mmaction2"]
    name: str
    """A class of mmaction.models.backbones, such as X3D."""
    arguments: dict[str, JsonValue]
    """What it is built with, as in mmaction2's configurations."""
    channels: Positive
    """Of its features; of several outputs, all channels together."""
    time: Literal["axis", "batch"]
    """How it takes the frames: as an axis (3-D networks), or as more images (2-D networks)."""
    dropout: Share
    """Before the last layer, in training."""


Backbone: TypeAlias = Annotated[
    PoseConv3d | RgbPoseConv3d | VideoSwin | Mmaction2Backbone, Field(discriminator="kind")
]
