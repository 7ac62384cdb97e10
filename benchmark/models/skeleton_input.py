"""Keypoints -> heat-map volumes, on the device: only coordinates travel."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import torch
from torch import Tensor, nn

from benchmark.models.heatmaps import joint_volumes, limb_volumes

if TYPE_CHECKING:
    from benchmark.layouts import Layout
    from benchmark.params import SkeletonInput


class SkeletonStep(nn.Module):
    """Views (B, T, J, 3) -> volumes (B, C, T, size, size), of the training or the test size.

    C are the joints or the limbs of the layout.
    """

    edges: Tensor

    def __init__(self, spec: SkeletonInput, layout: Layout) -> None:
        super().__init__()
        self._sizes = {True: spec.size, False: spec.test_size}
        self._spec = spec
        self.register_buffer("edges", torch.tensor(layout.edges).reshape(-1, 2), persistent=False)

    def forward(self, keypoints: Tensor) -> Tensor:
        """The volumes, float32."""
        size, sigma = self._sizes[self.training], self._spec.sigma
        match self._spec.stream:
            case "joint":
                return joint_volumes(keypoints, size, sigma)
            case "limb":
                return limb_volumes(keypoints, self.edges, size, sigma)
            case _:
                assert_never(self._spec.stream)
