"""Experiments -> networks: chooses the builders, holds no numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from benchmark.params import PoseConv3d, SkeletonInput, VideoInput, VideoSwin

if TYPE_CHECKING:
    from torch import nn

    from benchmark.layouts import Layout
    from benchmark.models.recogniser import Recogniser
    from benchmark.params import Backbone, Input


def build(
    backbone: Backbone, spec: Input, layout: Layout | None, *, num_classes: int
) -> Recogniser:
    """The network of an experiment, freshly initialised from torch's global generator.

    `layout` is that of the keypoints, for an input of skeletons.
    """
    step, in_channels = _input_step(spec, layout)
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


def _input_step(spec: Input, layout: Layout | None) -> tuple[nn.Module, int]:
    """The step and the channels of what it gives."""
    match spec:
        case SkeletonInput():
            from benchmark.models.skeleton_input import SkeletonStep

            if layout is None:
                raise TypeError("an input of skeletons needs their layout")
            channels = layout.points if spec.stream == "joint" else layout.edges
            return SkeletonStep(spec, layout), len(channels)
        case VideoInput():
            from benchmark.models.video_input import VideoStep

            return VideoStep(spec), 3
        case _:
            assert_never(spec)
