"""uint8 frames -> normalised channels, on the device: a quarter of the bytes travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from benchmark.params import VideoInput


class VideoStep(nn.Module):
    """Views uint8 (B, T, H, W, 3) -> float32 (B, 3, T, H, W), mean and std removed."""

    mean: Tensor
    std: Tensor

    def __init__(self, spec: VideoInput) -> None:
        super().__init__()
        for name, values in (("mean", spec.mean), ("std", spec.std)):
            self.register_buffer(name, torch.tensor(values), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        return ((frames.float() - self.mean) / self.std).permute(0, 4, 1, 2, 3).contiguous()
