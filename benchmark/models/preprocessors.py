"""Preprocessors: views as the loader delivers them -> volumes for a backbone, on the device.

Only uint8 frames and coordinates travel to the device. Frames as float32 would be four times as
many bytes, and heat maps hundreds of times as many as the coordinates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import torch
from torch import Tensor, nn

from benchmark.data.normalization import (
    DatasetNorm,
    Normalization,
    TemporalMeanRemoved,
    TrainSplitNorm,
)
from benchmark.data.skeleton_graph import skeleton_graph
from benchmark.models.heatmaps import joint_volumes, limb_volumes

if TYPE_CHECKING:
    from benchmark.contracts.skeletons import Layout
    from benchmark.data.rgb_pose_input import RgbPoseInput
    from benchmark.data.views import Stream

COLORS = 3


class Preprocessor(nn.Module):
    """Turns the views of a batch into volumes.

    It learns nothing, and none of its buffers are saved: weights hold a network's own tensors only.
    """

    out_channels: int
    """Channels of the volume; of frames and heat maps, those of the heat maps."""
    is_volume = True
    """Whether the views become volumes (B, C, T, H, W)."""


class VideoPreprocessor(Preprocessor):
    """Normalizes frames: uint8 (B, T, H, W, 3) -> float32 (B, 3, T, H, W)."""

    mean: Tensor
    std: Tensor

    def __init__(self, norm: Normalization) -> None:
        super().__init__()
        match norm:
            case DatasetNorm():
                mean, std = norm.mean, norm.std
            case TrainSplitNorm():
                raise TypeError("training replaces `train_split` by the numbers of the data")
            case TemporalMeanRemoved():
                mean, std = (0.0,) * COLORS, (norm.scale,) * COLORS
            case _:
                assert_never(norm)
        self.out_channels = COLORS
        self._temporal_mean_removed = isinstance(norm, TemporalMeanRemoved)
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values), persistent=False)

    def forward(self, frames: Tensor) -> tuple[Tensor]:
        x = frames.float()
        if self._temporal_mean_removed:
            x = x - x.mean(dim=1, keepdim=True)
        return (((x - self.mean) / self.std).permute(0, 4, 1, 2, 3),)


class HeatmapGenerator(Preprocessor):
    """Draws heat maps: keypoints (B, T, J, 3) -> float32 (B, C, T, size, size).

    C counts the joints or the limbs of the layout. Keypoints are in pixels of the maps.
    """

    edges: Tensor

    def __init__(
        self, stream: Stream, layout: Layout, *, sizes: tuple[int, int], sigma: float
    ) -> None:
        """Keep what the maps are drawn with.

        Args:
            stream: Whether a map shows a joint or a limb.
            layout: The skeleton of the keypoints.
            sizes: Height and width of the maps in training, and in test.
            sigma: Standard deviation of a Gaussian in pixels of the maps.
        """
        super().__init__()
        self.out_channels = len(layout.points if stream == "joint" else layout.edges)
        self._stream: Stream = stream
        self._sizes, self._sigma = sizes, sigma
        self.register_buffer("edges", torch.tensor(layout.edges).reshape(-1, 2), persistent=False)

    def forward(self, keypoints: Tensor) -> tuple[Tensor]:
        """Return the volume, of the training or the test size."""
        size = self._sizes[0] if self.training else self._sizes[1]
        match self._stream:
            case "joint":
                return (joint_volumes(keypoints, size, self._sigma),)
            case "limb":
                return (limb_volumes(keypoints, self.edges, size, self._sigma),)
            case _:
                assert_never(self._stream)


class GraphPreprocessor(Preprocessor):
    """Passes the points of one person on: float32 (B, T, J, C) -> (B, 1, T, J, C).

    mmaction2's graph networks take several people.
    """

    is_volume = False

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.out_channels = len(layout.points)
        self.graph = skeleton_graph(layout)

    def forward(self, points: Tensor) -> tuple[Tensor]:
        return (points[:, None],)


class FeaturesPreprocessor(Preprocessor):
    """Passes the features of a frozen network on: float32 (B, tokens, width)."""

    is_volume = False

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out_channels = width

    def forward(self, features: Tensor) -> tuple[Tensor]:
        return (features,)


class RgbPosePreprocessor(Preprocessor):
    """Normalizes frames and draws the heat maps of the same crop.

    It returns (B, 3, T, H, W) and (B, C, T', side, side).
    """

    def __init__(self, spec: RgbPoseInput, layout: Layout) -> None:
        super().__init__()
        train, test = (spec.map_side(side) for side in (spec.size, spec.test_size))
        self.rgb = VideoPreprocessor(spec.normalization)
        self.pose = HeatmapGenerator(spec.stream, layout, sizes=(train, test), sigma=spec.sigma)
        self.out_channels = self.pose.out_channels

    def forward(self, frames: Tensor, keypoints: Tensor) -> tuple[Tensor, Tensor]:
        return (*self.rgb(frames), *self.pose(keypoints))
