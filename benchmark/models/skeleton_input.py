"""Keypoints -> heat-map volumes, on the device: only coordinates travel."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import torch
from torch import Tensor, nn

from benchmark.models.heatmaps import joint_volumes, limb_volumes

if TYPE_CHECKING:
    from benchmark.contracts.skeletons import Layout
    from benchmark.data.skeleton_input import Stream


class SkeletonStep(nn.Module):
    """Views (B, T, J, 3) -> volumes (B, C, T, size, size), of the training or the test size.

    C are the joints or the limbs of the layout; `sizes` are of training and of test.
    """

    edges: Tensor

    def __init__(
        self, stream: Stream, layout: Layout, *, sizes: tuple[int, int], sigma: float
    ) -> None:
        super().__init__()
        self._stream: Stream = stream
        self._sizes, self._sigma = sizes, sigma
        self.register_buffer("edges", torch.tensor(layout.edges).reshape(-1, 2), persistent=False)

    def forward(self, keypoints: Tensor) -> tuple[Tensor]:
        """The volumes, float32."""
        size = self._sizes[0] if self.training else self._sizes[1]
        match self._stream:
            case "joint":
                return (joint_volumes(keypoints, size, self._sigma),)
            case "limb":
                return (limb_volumes(keypoints, self.edges, size, self._sigma),)
            case _:
                assert_never(self._stream)


def map_channels(stream: Stream, layout: Layout) -> int:
    """How many maps a stream has."""
    return len(layout.points if stream == "joint" else layout.edges)
