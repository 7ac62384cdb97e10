"""Keypoints -> heat-map volumes, on the device: only coordinates travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from benchmark.params import SkeletonInput

SMALLEST_CONFIDENCE = 1e-4
"""Points below it leave no trace, as in mmaction2 (PYSKL: 1e-3)."""


class SkeletonStep(nn.Module):
    """Views (B, T, J, 3) -> volumes (B, J, T, size, size), of the training or the test size."""

    def __init__(self, spec: SkeletonInput) -> None:
        super().__init__()
        self._sizes = {True: spec.size, False: spec.test_size}
        self._sigma = spec.sigma

    def forward(self, keypoints: Tensor) -> Tensor:
        return joint_volumes(keypoints, self._sizes[self.training], self._sigma)


def joint_volumes(keypoints: Tensor, size: int, sigma: float) -> Tensor:
    """A Gaussian at every joint, as high as its confidence: (B, J, T, size, size).

    `keypoints` is (B, T, J, 3): x, y in heat-map pixels, confidence. The Gaussian is cut off
    outside the pixels from trunc(mu - 3 sigma) to trunc(mu + 3 sigma), as in the reference.

    Source: GeneratePoseTarget of mmaction2 (PoseConv3D, Duan et al., CVPR 2022, section 3.2).
    """
    x, y, confidence = keypoints.unbind(-1)
    confidence = torch.where(confidence < SMALLEST_CONFIDENCE, 0, confidence)
    across = _profile(x, size, sigma)
    down = _profile(y, size, sigma) * confidence[..., None]
    return torch.einsum("btjh,btjw->bjthw", down, across)


def _profile(centre: Tensor, size: int, sigma: float) -> Tensor:
    """The truncated 1-D Gaussian around each centre: (..., size). The 2-D one is its product."""
    pixel = torch.arange(size, device=centre.device, dtype=centre.dtype)
    distance = pixel - centre[..., None]
    low = torch.trunc(centre - 3 * sigma)[..., None]
    high = torch.trunc(centre + 3 * sigma)[..., None]
    inside = (pixel >= low) & (pixel <= high)
    return torch.where(inside, torch.exp(-(distance**2) / (2 * sigma**2)), 0)
