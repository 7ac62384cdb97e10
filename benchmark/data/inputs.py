"""The union of all inputs: what can go into a network."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from benchmark.data.features_input import FeaturesInput
from benchmark.data.graph_input import GraphInput
from benchmark.data.rgb_pose_input import RgbPoseInput
from benchmark.data.skeleton_input import SkeletonInput
from benchmark.data.video_input import VideoInput

Input: TypeAlias = Annotated[
    SkeletonInput | VideoInput | RgbPoseInput | GraphInput | FeaturesInput,
    Field(discriminator="kind"),
]  # fmt: skip
