"""Depth Anything: a relative inverse depth of every frame alone, on each frame's own scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from benchmark.core.pinned_file import WeightsFile
from benchmark.modalities.depth.estimator import DepthBackendBase

if TYPE_CHECKING:
    from benchmark.modalities.depth.depth_anything_network import DepthAnythingEstimator


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
        """Begin a clip; see `DepthBackendBase.estimator`."""
        from benchmark.modalities.depth.depth_anything_network import DepthAnythingEstimator

        return DepthAnythingEstimator(self)
