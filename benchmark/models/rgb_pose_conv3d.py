"""RGBPoseConv3D: frames and heat maps through two joined pathways (Duan et al., CVPR 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.core.errors import TrainingError
from benchmark.models.mmaction_import import rgb_pose_conv3d
from benchmark.models.pose_conv3d import EXPANSION
from benchmark.models.recognizer import Recognizer, TwoHeads
from benchmark.models.rgb_pose_input import map_side

if TYPE_CHECKING:
    from torch import nn

    from benchmark.data.inputs import RgbPoseInput
    from benchmark.models.specs import RgbPoseConv3d

RGB_STRIDE, POSE_STRIDE = 8, 2
"""Pixels a side in one feature where the pathways first meet; of maps, for a stem of stride 1."""


def build(
    spec: RgbPoseConv3d,
    views: RgbPoseInput,
    step: nn.Module,
    *,
    in_channels: int,
    num_classes: int,
) -> Recognizer:
    """The network from scratch: frames and `in_channels` maps -> logits of two heads.

    Raises:
        TrainingError: The pathways do not meet in features of the same size.
    """
    _check_channels(spec)
    for side in (views.size, views.test_size):
        _check_sides(spec, views, side)
    rgb = spec.rgb.base_channels * 2 ** (len(spec.rgb.stage_blocks) - 1) * EXPANSION
    pose = spec.pose.base_channels * 2 ** (len(spec.pose.stage_blocks) - 1) * EXPANSION
    backbone = rgb_pose_conv3d(spec, in_channels=in_channels)
    return Recognizer(step, backbone, TwoHeads((rgb, pose), num_classes, spec.dropout))


def _check_channels(spec: RgbPoseConv3d) -> None:
    """The second stage of RGB meets the first of pose."""
    rgb, pose = 2 * spec.rgb.base_channels, spec.pose.base_channels
    if rgb != pose * spec.channel_ratio:
        raise TrainingError(
            "backbone.channel_ratio",
            "the pathways do not meet",
            expected=f"2 * rgb.base_channels / pose.base_channels ({rgb / pose:g})",
            found=str(spec.channel_ratio),
        )


def _check_sides(spec: RgbPoseConv3d, views: RgbPoseInput, side: int) -> None:
    maps = map_side(views, side)
    rgb = -(-side // RGB_STRIDE)
    pose = -(-maps // (POSE_STRIDE * spec.pose.stem_stride))
    if rgb != pose:
        right = POSE_STRIDE * spec.pose.stem_stride / RGB_STRIDE
        raise TrainingError(
            "input.map_scale",
            f"the pathways do not meet: frames of {side} give features of {rgb}, "
            f"heat maps of {maps} of {pose}",
            expected=f"backbone.pose.stem_stride / {RGB_STRIDE // POSE_STRIDE} ({right:g})",
            found=f"{views.map_scale:g}",
        )
