"""The union of all backends that estimate depth."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from benchmark.modalities.depth.depth_anything import DepthAnythingBackend
from benchmark.modalities.depth.tiny_spec import TinyBackend
from benchmark.modalities.depth.video_depth_anything import VideoDepthAnythingBackend

DepthBackend: TypeAlias = Annotated[
    TinyBackend | DepthAnythingBackend | VideoDepthAnythingBackend,
    Field(discriminator="kind"),
]
