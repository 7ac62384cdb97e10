"""The head that makes depth of a vision transformer's tokens, with attention between frames.

Source: DPT (Ranftl et al., ICCV 2021, section 3) as Depth Anything V2 has it, with the motion
modules of Video Depth Anything (Chen et al., CVPR 2025, section 3.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from benchmark.modalities.depth.dinov2 import PATCH
from benchmark.modalities.depth.motion_module import MotionModule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

_FRAMES_AT_ONCE = 4
"""Where the maps are large: bounds the memory, changes no value."""


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


class _ResidualUnit(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) -> (N, C, H, W)."""
        return x + self.conv2(functional.relu(self.conv1(functional.relu(x))))


class _Fusion(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(dim, dim, 1)
        self.resConfUnit1 = _ResidualUnit(dim)
        self.resConfUnit2 = _ResidualUnit(dim)

    def forward(self, x: Tensor, finer: Tensor | None, size: Sequence[int]) -> Tensor:
        """Map (N, C, H, W), with a map of that shape or none mixed in -> (N, C, *size)."""
        if finer is not None:
            x = x + self.resConfUnit1(finer)
        return self.out_conv(_resize(self.resConfUnit2(x), size))


class _Scratch(nn.Module):
    """What upstream keeps under this name."""

    def __init__(self, channels: Sequence[int], dim: int) -> None:
        super().__init__()
        self.layer1_rn = nn.Conv2d(channels[0], dim, 3, padding=1, bias=False)
        self.layer2_rn = nn.Conv2d(channels[1], dim, 3, padding=1, bias=False)
        self.layer3_rn = nn.Conv2d(channels[2], dim, 3, padding=1, bias=False)
        self.layer4_rn = nn.Conv2d(channels[3], dim, 3, padding=1, bias=False)
        self.refinenet1 = _Fusion(dim)
        self.refinenet2 = _Fusion(dim)
        self.refinenet3 = _Fusion(dim)
        self.refinenet4 = _Fusion(dim)  # its resConfUnit1 is stored and never used
        self.output_conv1 = nn.Conv2d(dim, dim // 2, 3, padding=1)
        self.output_conv2 = nn.Sequential(
            nn.Conv2d(dim // 2, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 1, 1), nn.ReLU()
        )


class TemporalDpt(nn.Module):
    """Four layers of tokens -> one map of relative inverse depth a frame."""

    def __init__(self, in_channels: int, features: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.projects = nn.ModuleList(nn.Conv2d(in_channels, c, 1) for c in channels)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(channels[0], channels[0], 4, stride=4),
                nn.ConvTranspose2d(channels[1], channels[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(channels[3], channels[3], 3, stride=2, padding=1),
            ]
        )
        self.scratch = _Scratch(channels, features)
        self.motion_modules = nn.ModuleList(
            MotionModule(dim) for dim in (channels[2], channels[3], features, features)
        )

    def forward(self, layers: Sequence[Tensor], grid: tuple[int, int], num_frames: int) -> Tensor:
        """Map four times (B * T, rows * columns, D) -> float32 (B * T, 14 rows, 14 columns), >= 0.

        `grid` is (rows, columns); T is `num_frames`.
        """
        one, two, three, four = self._maps(layers, grid)
        moving = self.motion_modules
        scratch = self.scratch
        one, two = scratch.layer1_rn(one), scratch.layer2_rn(two)
        three = scratch.layer3_rn(moving[0](three, num_frames))
        four = scratch.layer4_rn(moving[1](four, num_frames))
        path = moving[2](scratch.refinenet4(four, None, three.shape[2:]), num_frames)
        path = moving[3](scratch.refinenet3(path, three, two.shape[2:]), num_frames)
        pieces = (x.split(_FRAMES_AT_ONCE) for x in (path, two, one))
        return torch.cat([self._finish(p, b, a, grid) for p, b, a in zip(*pieces, strict=True)])

    def _maps(self, layers: Sequence[Tensor], grid: tuple[int, int]) -> list[Tensor]:
        """Compute the four maps."""
        return [
            resize(project(tokens.transpose(1, 2).unflatten(2, grid)))
            for tokens, project, resize in zip(
                layers, self.projects, self.resize_layers, strict=True
            )
        ]

    def _finish(self, path: Tensor, two: Tensor, one: Tensor, grid: tuple[int, int]) -> Tensor:
        scratch = self.scratch
        path = scratch.refinenet2(path, two, one.shape[2:])
        path = scratch.refinenet1(path, one, [2 * side for side in one.shape[2:]])
        path = _resize(scratch.output_conv1(path), [PATCH * side for side in grid])
        with torch.autocast(path.device.type, enabled=False):  # half precision shows as steps
            return scratch.output_conv2(path.float()).squeeze(1)
