"""What a backend of depth is; the specs of Depth Anything and Video Depth Anything.

The networks are modules of their own, because reading params.yaml must not load torch.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field

from benchmark.core.pinned_file import WeightsFile
from benchmark.core.schema import Strict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.modalities.depth.depth_anything_network import DepthAnythingEstimator
    from benchmark.modalities.depth.video_depth_anything_network import VideoDepthAnythingEstimator
    from benchmark.modalities.modality import FrameExtractor

    Map: TypeAlias = NDArray[np.float32]


class DepthBackendBase(Strict):
    """What every backend of depth has, besides its `kind`."""

    @abstractmethod
    def estimator(self) -> FrameExtractor:
        """Begin a clip: one map of relative inverse depth per frame, larger where nearer.

        A map is float32 (H, W). Its scale is the backend's.

        Raises:
            ArchiveError: A file of weights is missing, damaged or not the pinned one.
            ParamsError, FormatError: The network of the zoo is missing or damaged.
            MissingExtra: The package behind the backend is not installed.
        """

    def weights_digest(self) -> str | None:
        """Return the digest of weights that the spec itself does not pin; None if it pins them."""
        return None


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
