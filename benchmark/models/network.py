"""Experiments -> networks: chooses the builders, holds no numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, assert_never

from benchmark.data.inputs import RgbPoseInput, SkeletonInput, VideoInput
from benchmark.models.specs import Mmaction2Backbone, PoseConv3d, RgbPoseConv3d, VideoSwin

if TYPE_CHECKING:
    from torch import nn

    from benchmark.contracts.skeletons import Layout
    from benchmark.data.inputs import Input
    from benchmark.models.recognizer import Recognizer
    from benchmark.models.specs import Backbone


class _Entry(NamedTuple):
    """What comes before the backbone."""

    step: nn.Module
    channels: int
    """Of the volumes that it gives; of two, of the heat maps."""


def build(
    backbone: Backbone, spec: Input, layout: Layout | None, *, num_classes: int
) -> Recognizer:
    """The network of an experiment, freshly initialized from torch's global generator.

    `layout` is that of the keypoints, for an input that has some.

    Raises:
        TrainingError: The backbone and the input do not go together.
    """
    step, in_channels = _entry(spec, layout)
    match backbone:
        case PoseConv3d():
            from benchmark.models import pose_conv3d

            return pose_conv3d.build(
                backbone, step, in_channels=in_channels, num_classes=num_classes
            )
        case RgbPoseConv3d():
            from benchmark.models import rgb_pose_conv3d

            if not isinstance(spec, RgbPoseInput):
                raise TypeError("two pathways need two inputs")
            return rgb_pose_conv3d.build(
                backbone, spec, step, in_channels=in_channels, num_classes=num_classes
            )
        case VideoSwin():
            from benchmark.models import video_swin

            return video_swin.build(
                backbone, step, in_channels=in_channels, num_classes=num_classes
            )
        case Mmaction2Backbone():
            from benchmark.models import mmaction2 as mmaction2

            if isinstance(spec, RgbPoseInput):
                raise TypeError("one pathway takes one input")
            sides = {spec.size, spec.test_size} if isinstance(spec, SkeletonInput) else {spec.size}
            volumes = [mmaction2.Volume(in_channels, spec.frames, side) for side in sides]
            return mmaction2.build(backbone, step, volumes=volumes, num_classes=num_classes)
        case _:
            assert_never(backbone)


def _entry(spec: Input, layout: Layout | None) -> _Entry:
    if isinstance(spec, VideoInput):
        from benchmark.models.video_input import CHANNELS, VideoStep

        return _Entry(VideoStep(spec.normalization), CHANNELS)
    from benchmark.models.rgb_pose_input import RgbPoseStep
    from benchmark.models.skeleton_input import SkeletonStep, map_channels

    if layout is None:
        raise TypeError("an input of skeletons needs their layout")
    channels = map_channels(spec.stream, layout)
    match spec:
        case SkeletonInput():
            sizes = (spec.size, spec.test_size)
            return _Entry(
                SkeletonStep(spec.stream, layout, sizes=sizes, sigma=spec.sigma), channels
            )
        case RgbPoseInput():
            return _Entry(RgbPoseStep(spec, layout), channels)
        case _:
            assert_never(spec)
