"""Depth Anything, frame by frame, and Video Depth Anything, consistent over a clip: the specs.

Their networks are modules of their own, because reading params.yaml must not load torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from benchmark.core.pinned_file import WeightsFile
from benchmark.modalities.depth.estimator import DepthBackendBase

if TYPE_CHECKING:
    from benchmark.modalities.depth.depth_anything_network import DepthAnythingEstimator
    from benchmark.modalities.depth.video_depth_anything_network import VideoDepthAnythingEstimator


class DepthAnythingBackend(DepthBackendBase):
    """Depth Anything (Yang et al., 2024, versions 1 and 2) of transformers, frame by frame."""

    kind: Literal["depth_anything"]
    weights: WeightsFile
    """model.safetensors as published."""
    config: WeightsFile
    """config.json as published: versions 1 and 2 have the same tensors and take other layers."""
    input_size: Annotated[int, Field(gt=0, multiple_of=14)]
    """Pixels of the side that is fitted, see docs/modalities.md; 518 as published."""

    def estimator(self) -> DepthAnythingEstimator:
        from benchmark.modalities.depth.depth_anything_network import DepthAnythingEstimator

        return DepthAnythingEstimator(self)


class VideoDepthAnythingBackend(DepthBackendBase):
    """Video Depth Anything (Chen et al., CVPR 2025): windows of 32 frames, one scale per clip."""

    kind: Literal["video_depth_anything"]
    weights: WeightsFile
    """video_depth_anything_vits.pth (Apache-2.0); _vitb and _vitl are for research only."""
    input_size: Annotated[int, Field(gt=0, multiple_of=14)]
    """Pixels of the short side that the network sees; 518 as published."""

    def estimator(self) -> VideoDepthAnythingEstimator:
        from benchmark.modalities.depth.video_depth_anything_network import (
            VideoDepthAnythingEstimator,
        )

        return VideoDepthAnythingEstimator(self)
