"""Experiments -> networks: chooses the builders, holds no numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from benchmark.params import PoseConv3d, SkeletonInput, VideoInput, VideoSwin

if TYPE_CHECKING:
    from torch import nn

    from benchmark.models.recogniser import Recogniser
    from benchmark.params import Backbone, Input


def build(backbone: Backbone, spec: Input, *, in_channels: int, num_classes: int) -> Recogniser:
    """The network of an experiment, freshly initialised from torch's global generator.

    `in_channels` is what the input step gives: joints for skeletons, 3 for video.
    """
    step = _input_step(spec)
    match backbone:
        case PoseConv3d():
            from benchmark.models import pose_conv3d

            return pose_conv3d.build(
                backbone, step, in_channels=in_channels, num_classes=num_classes
            )
        case VideoSwin():
            from benchmark.models import video_swin

            return video_swin.build(backbone, step, num_classes=num_classes)
        case _:
            assert_never(backbone)


def _input_step(spec: Input) -> nn.Module:
    match spec:
        case SkeletonInput():
            from benchmark.models.skeleton_input import SkeletonStep

            return SkeletonStep(spec)
        case VideoInput():
            from benchmark.models.video_input import VideoStep

            return VideoStep(spec)
        case _:
            assert_never(spec)
