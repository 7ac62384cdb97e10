"""RGBPoseConv3D: frames and heat maps through two joined pathways (Duan et al., CVPR 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from benchmark.core.schema import Positive, Share, Strict
from benchmark.data.inputs import Input, RgbPoseInput
from benchmark.models.backbone import BackboneSpec, Inflate, Stride

if TYPE_CHECKING:
    from torch import nn

    from benchmark.models.preprocessors import Preprocessor
    from benchmark.models.recognizer import Recognizer

RGB_STRIDE, POSE_STRIDE = 8, 2
"""Pixels per side of one feature where the pathways first meet: of frames, and of heat maps for a
stem of stride 1."""
LATERAL_SHARE = 16
"""The pose pathway receives one in so many of the RGB pathway's channels."""


class RgbPathway(Strict):
    """The slow pathway: few frames, many channels."""

    base_channels: Positive
    """Channels after the first convolution."""
    stage_blocks: tuple[Positive, Positive, Positive, Positive]
    """Residual blocks of each stage."""
    inflate: tuple[Inflate, Inflate, Inflate, Inflate]
    """Per stage: 1 for convolutions over time in its blocks."""


class PosePathway(Strict):
    """The fast pathway over heat maps."""

    base_channels: Positive
    """Channels after the first convolution."""
    stem_stride: Stride
    """Spatial stride of the first convolution."""
    stage_blocks: tuple[Positive, Positive, Positive]
    """Residual blocks of each stage."""
    inflate: tuple[Inflate, Inflate, Inflate]
    """Per stage: 1 for convolutions over time in its blocks."""


class RgbPoseConv3d(BackboneSpec):
    """Two PoseConv3D, of frames and of heat maps, with lateral connections both ways."""

    kind: Literal["rgb_pose_conv3d"]
    speed_ratio: Positive
    """Heat maps per RGB frame of a view."""
    channel_ratio: Positive
    """Channels of the RGB pathway over those of the pose pathway, where they meet."""
    rgb: RgbPathway
    pose: PosePathway
    dropout: Share
    """Dropout before both last layers, in training."""

    def faults(self, input_spec: Input) -> list[str]:
        """Describe where the pathways do not meet: in kind, frames, channels or size."""
        if not isinstance(input_spec, RgbPoseInput):
            return [f"backbone: cannot take input '{input_spec.kind}', it has two pathways"]
        faults = []
        frames = input_spec.rgb_frames * self.speed_ratio
        if input_spec.pose_frames != frames:
            text = f"input.pose_frames: must be rgb_frames * backbone.speed_ratio ({frames})"
            faults.append(text)
        # The second stage of the RGB pathway meets the first of the pose pathway.
        ratio = 2 * self.rgb.base_channels / self.pose.base_channels
        if ratio != self.channel_ratio:
            faults.append(
                "backbone.channel_ratio: must be 2 * rgb.base_channels / pose.base_channels "
                f"({ratio:g}); found {self.channel_ratio}"
            )
        sides = (input_spec.size, input_spec.test_size)
        wrong = [text for side in sides if (text := self._size_fault(input_spec, side))]
        return faults + wrong[:1]  # the sizes of training and test have the same cause

    def _size_fault(self, input_spec: RgbPoseInput, side: int) -> str:
        maps = input_spec.map_side(side)
        rgb = -(-side // RGB_STRIDE)
        pose = -(-maps // (POSE_STRIDE * self.pose.stem_stride))
        if rgb == pose:
            return ""
        right = POSE_STRIDE * self.pose.stem_stride / RGB_STRIDE
        return (
            f"input.map_scale: must be backbone.pose.stem_stride / {RGB_STRIDE // POSE_STRIDE} "
            f"({right:g}); found {input_spec.map_scale:g}: frames of {side} give features of "
            f"{rgb}, heat maps of {maps} features of {pose}"
        )

    def build(
        self, preprocessor: Preprocessor, input_spec: Input, *, num_classes: int
    ) -> Recognizer:
        from benchmark.models.mmaction_import import EXPANSION
        from benchmark.models.recognizer import Recognizer, TwoHeads

        rgb, pose = (
            path.base_channels * 2 ** (len(path.stage_blocks) - 1) * EXPANSION
            for path in (self.rgb, self.pose)
        )
        backbone = self.layers(preprocessor.out_channels)  # drawn before the heads
        return Recognizer(preprocessor, backbone, TwoHeads((rgb, pose), num_classes, self.dropout))

    def layers(self, in_channels: int) -> nn.Module:
        """Build RGBPoseConv3D.

        It takes (B, 3, T, H, W) and (B, in_channels, T', H', W') and returns both features.
        """
        from benchmark.models.mmaction_import import build_backbone

        both = {"lateral": True, "fusion_kernel": 7, "conv1_kernel": (1, 7, 7), "with_pool2": False}
        rgb = {
            **self.rgb.model_dump(), "num_stages": 4, "lateral_infl": 1,
            "lateral_activate": (0, 0, 1, 1),
        }  # fmt: skip
        pose = {
            **self.pose.model_dump(exclude={"stem_stride"}), "num_stages": 3,
            "in_channels": in_channels, "out_indices": (2,),
            "lateral_inv": True, "lateral_infl": LATERAL_SHARE, "lateral_activate": (0, 1, 1),
            "conv1_stride_s": self.pose.stem_stride, "conv1_stride_t": 1,
            "pool1_stride_s": 1, "pool1_stride_t": 1,
            "spatial_strides": (2, 2, 2), "temporal_strides": (1, 1, 1), "dilations": (1, 1, 1),
        }  # fmt: skip
        arguments = {
            "pretrained": None, "speed_ratio": self.speed_ratio,
            "channel_ratio": self.channel_ratio,
            "rgb_pathway": {**rgb, **both}, "pose_pathway": {**pose, **both},
        }  # fmt: skip
        return build_backbone("RGBPoseConv3D", arguments)
