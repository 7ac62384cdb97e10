"""The head that makes depth of a vision transformer's tokens, with attention between frames.

Source: DPT (Ranftl et al., ICCV 2021, section 3) as Depth Anything V2 has it, with the motion
modules of Video Depth Anything (Chen et al., CVPR 2025, section 3.1), which are AnimateDiff's (Guo
et al., ICLR 2024). Tensors have the published names.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.modalities.depth.dinov2 import PATCH

MAX_FRAMES = 32
"""Frames for which there are positions."""
_HEADS = 8
_FRAMES_AT_ONCE = 4
"""Where the maps are large: bounds the memory, changes no value."""


class _Positions(nn.Module):
    """Sines and cosines of the frame's number, stored with the weights."""

    pe: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        frame = torch.arange(MAX_FRAMES)[:, None]
        rate = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
        waves = torch.stack([torch.sin(frame * rate), torch.cos(frame * rate)], dim=-1)
        self.register_buffer("pe", waves.flatten(1)[None])

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, T, C) -> (N, T, C)."""
        return x + self.pe[:, : x.shape[1]].to(x.dtype)


class _Attention(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pos_encoder = _Positions(dim)
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.to_out = nn.Sequential(nn.Linear(dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, T, C) -> (N, T, C)."""
        x = self.pos_encoder(x)
        query, key, value = (
            layer(x).unflatten(-1, (_HEADS, -1)).transpose(1, 2)
            for layer in (self.to_q, self.to_k, self.to_v)
        )
        y = functional.scaled_dot_product_attention(query, key, value)
        return self.to_out(y.transpose(1, 2).flatten(2))


class _GatedGelu(nn.Module):
    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) -> (..., inner)."""
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * functional.gelu(gate)


class _Block(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList([_Attention(dim), _Attention(dim)])
        self.norms = nn.ModuleList([nn.LayerNorm(dim), nn.LayerNorm(dim)])
        # The middle one, a dropout of 0, keeps the published number of the last.
        net = nn.Sequential(_GatedGelu(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim))
        self.ff = nn.ModuleDict({"net": net})
        self.ff_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, T, C) -> (N, T, C)."""
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            x = x + attention(norm(x))
        return x + self.ff["net"](self.ff_norm(x))


class MotionModule(nn.Module):
    """Lets every place of a feature map see itself in the other frames; keeps the shape."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        layers: dict[str, nn.Module] = {
            "norm": nn.GroupNorm(32, dim, eps=1e-6),
            "proj_in": nn.Linear(dim, dim),
            "transformer_blocks": nn.Sequential(_Block(dim)),
            "proj_out": nn.Linear(dim, dim),
        }
        self.temporal_transformer = nn.ModuleDict(layers)

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        """Map (B * T, C, H, W) -> (B * T, C, H, W); T is `num_frames`, at most 32."""
        (height, width), layers = x.shape[-2:], self.temporal_transformer
        y = layers["norm"](x).unflatten(0, (-1, num_frames)).permute(0, 3, 4, 1, 2)
        y = layers["transformer_blocks"](layers["proj_in"](y.flatten(0, 2)))
        y = layers["proj_out"](y).unflatten(0, (-1, height, width)).permute(0, 3, 4, 1, 2)
        return x + y.flatten(0, 1)


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
        scratch: dict[str, nn.Module] = {}
        for number, width in enumerate(channels, start=1):
            scratch[f"layer{number}_rn"] = nn.Conv2d(width, features, 3, padding=1, bias=False)
            # The resConfUnit1 of the fourth is stored and never used.
            scratch[f"refinenet{number}"] = _Fusion(features)
        scratch["output_conv1"] = nn.Conv2d(features, features // 2, 3, padding=1)
        scratch["output_conv2"] = nn.Sequential(
            nn.Conv2d(features // 2, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 1, 1), nn.ReLU()
        )
        self.scratch = nn.ModuleDict(scratch)
        self.motion_modules = nn.ModuleList(
            MotionModule(dim) for dim in (channels[2], channels[3], features, features)
        )

    def forward(self, layers: Sequence[Tensor], grid: tuple[int, int], num_frames: int) -> Tensor:
        """Map four times (B * T, rows * columns, D) -> float32 (B * T, 14 rows, 14 columns), >= 0.

        `grid` is (rows, columns); T is `num_frames`.
        """
        one, two, three, four = (
            resize(project(tokens.transpose(1, 2).unflatten(2, grid)))
            for tokens, project, resize in zip(
                layers, self.projects, self.resize_layers, strict=True
            )
        )
        moving, scratch = self.motion_modules, self.scratch
        one, two = scratch["layer1_rn"](one), scratch["layer2_rn"](two)
        three = scratch["layer3_rn"](moving[0](three, num_frames))
        four = scratch["layer4_rn"](moving[1](four, num_frames))
        path = moving[2](scratch["refinenet4"](four, None, three.shape[2:]), num_frames)
        path = moving[3](scratch["refinenet3"](path, three, two.shape[2:]), num_frames)
        pieces = (x.split(_FRAMES_AT_ONCE) for x in (path, two, one))
        return torch.cat([self._finish(p, b, a, grid) for p, b, a in zip(*pieces, strict=True)])

    def _finish(self, path: Tensor, two: Tensor, one: Tensor, grid: tuple[int, int]) -> Tensor:
        scratch = self.scratch
        path = scratch["refinenet2"](path, two, one.shape[2:])
        path = scratch["refinenet1"](path, one, [2 * side for side in one.shape[2:]])
        path = _resize(scratch["output_conv1"](path), [PATCH * side for side in grid])
        with torch.autocast(path.device.type, enabled=False):  # half precision shows as steps
            return scratch["output_conv2"](path.float()).squeeze(1)
