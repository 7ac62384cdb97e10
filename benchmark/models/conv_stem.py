"""Convolutions that make the tokens of a video transformer, in place of one cut into patches.

A network that learns from thousands of clips, not from millions, gets further in the same number
of epochs with them. Source: Xiao et al., Early Convolutions Help Transformers See Better, NeurIPS
2021: 3x3 convolutions of stride 2 with batch normalization, then one of 1x1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

TIME_AT = 1
"""Which convolution also halves the frames, counted from 0."""


class ConvStem(nn.Module):
    """Frames (B, in_channels, T, H, W) -> tokens (B, embed_dims, T', H', W').

    Each convolution halves lines and columns, and the second one looks over three frames and keeps
    every second one. A side that is odd is rounded up.
    """

    def __init__(self, in_channels: int, channels: Sequence[int], embed_dims: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, width in enumerate((*channels, embed_dims)):
            time = 3 if number == TIME_AT else 1
            layers += [
                nn.Conv3d(
                    in_channels, width, (time, 3, 3), stride=(2 if time == 3 else 1, 2, 2),
                    padding=(time // 2, 1, 1), bias=False,
                ),
                nn.BatchNorm3d(width),
                nn.ReLU(inplace=True),
            ]  # fmt: skip
            in_channels = width
        self.layers = nn.Sequential(*layers)
        self.proj = nn.Conv3d(embed_dims, embed_dims, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.proj(self.layers(x))
        return out
