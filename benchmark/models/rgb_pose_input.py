"""Frames of a person and keypoints of the same crop -> the volumes of two pathways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from benchmark.models.skeleton_input import SkeletonStep
from benchmark.models.video_input import VideoStep

if TYPE_CHECKING:
    from benchmark.contracts.skeletons import Layout
    from benchmark.data.inputs import RgbPoseInput


class RgbPoseStep(nn.Module):
    """Frames as of `VideoStep` and keypoints, in pixels of the maps, as of `SkeletonStep`."""

    def __init__(self, spec: RgbPoseInput, layout: Layout) -> None:
        super().__init__()
        train, test = (map_side(spec, side) for side in (spec.size, spec.test_size))
        self.rgb = VideoStep(spec.normalization)
        self.pose = SkeletonStep(spec.stream, layout, sizes=(train, test), sigma=spec.sigma)

    def forward(self, frames: Tensor, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        """Volumes (B, 3, T, H, W) and (B, C, T', side, side)."""
        return (*self.rgb(frames), *self.pose(keypoints))


def map_side(spec: RgbPoseInput, side: int) -> int:
    """Height and width of the heat maps beside frames of `side`."""
    return round(side * spec.map_scale)
