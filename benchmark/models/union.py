"""The backbones that params.yaml can name. A new one adds its name here."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from benchmark.models.graph import Graph
from benchmark.models.mmaction2 import Mmaction2Backbone
from benchmark.models.pose_conv3d import PoseConv3d
from benchmark.models.probe import AttentiveProbe, LinearProbe
from benchmark.models.rgb_pose_conv3d import RgbPoseConv3d
from benchmark.models.video_swin import VideoSwin
from benchmark.models.vision_transformer import VisionTransformer

Backbone: TypeAlias = Annotated[
    PoseConv3d | RgbPoseConv3d | VideoSwin | VisionTransformer | Graph | Mmaction2Backbone
    | LinearProbe | AttentiveProbe,
    Field(discriminator="kind"),
]  # fmt: skip
