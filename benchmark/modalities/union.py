"""The union of all modalities: what params.yaml can ask for."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from benchmark.modalities.depth.depth import DepthModality
from benchmark.modalities.features.features import FeaturesModality
from benchmark.modalities.flow.flow import FlowModality
from benchmark.modalities.person_crop import PersonCropModality
from benchmark.modalities.pose.pose import PoseModality
from benchmark.modalities.region_crop import RegionCropModality
from benchmark.modalities.rgb import RgbModality
from benchmark.modalities.skeleton import SkeletonModality
from benchmark.modalities.taylor import TaylorModality

Modality: TypeAlias = Annotated[
    SkeletonModality | PoseModality | PersonCropModality | RegionCropModality | RgbModality
    | TaylorModality | FlowModality | DepthModality | FeaturesModality,
    Field(discriminator="kind"),
]  # fmt: skip
