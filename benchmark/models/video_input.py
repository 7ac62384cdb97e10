"""uint8 frames -> normalized channels, on the device: a quarter of the bytes travel."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import torch
from torch import Tensor, nn

from benchmark.data.normalization import DatasetNorm, TemporalMeanRemoved, TrainSplitNorm

if TYPE_CHECKING:
    from benchmark.data.normalization import Normalization

CHANNELS = 3


class VideoStep(nn.Module):
    """Views uint8 (B, T, H, W, 3) -> float32 (B, 3, T, H, W), normalized."""

    mean: Tensor
    std: Tensor

    def __init__(self, norm: Normalization) -> None:
        super().__init__()
        match norm:
            case DatasetNorm():
                mean, std = norm.mean, norm.std
            case TrainSplitNorm():
                raise TypeError("training puts the numbers in its place")
            case TemporalMeanRemoved():
                mean, std = (0.0,) * CHANNELS, (norm.scale,) * CHANNELS
            case _:
                assert_never(norm)
        self._still_removed = isinstance(norm, TemporalMeanRemoved)
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values), persistent=False)

    def forward(self, frames: Tensor) -> tuple[Tensor]:
        x = frames.float()
        if self._still_removed:
            x = x - x.mean(dim=1, keepdim=True)
        return (((x - self.mean) / self.std).permute(0, 4, 1, 2, 3).contiguous(),)
