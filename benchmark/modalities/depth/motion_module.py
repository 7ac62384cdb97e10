"""Attention between the frames of a window, place by place.

Source: Video Depth Anything (Chen et al., CVPR 2025, section 3.1); the module and the names of its
tensors are AnimateDiff's (Guo et al., ICLR 2024).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

MAX_FRAMES = 32
"""Frames for which there are positions."""
_HEADS = 8
_ATTENTIONS = 2
_GROUPS = 32


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
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim, dim, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
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


class _FeedForward(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        # The middle one, a dropout of 0, keeps the published number of the last.
        self.net = nn.Sequential(_GatedGelu(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., C) -> (..., C)."""
        return self.net(x)


class _Block(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList(_Attention(dim) for _ in range(_ATTENTIONS))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(_ATTENTIONS))
        self.ff = _FeedForward(dim)
        self.ff_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, T, C) -> (N, T, C)."""
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            x = x + attention(norm(x))
        return x + self.ff(self.ff_norm(x))


class _Transformer(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(_GROUPS, dim, eps=1e-6)
        self.proj_in = nn.Linear(dim, dim)
        self.transformer_blocks = nn.ModuleList([_Block(dim)])
        self.proj_out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        """Map (B * T, C, H, W) -> (B * T, C, H, W)."""
        height, width = x.shape[-2:]
        y = self.norm(x).unflatten(0, (-1, num_frames)).permute(0, 3, 4, 1, 2)
        y = self.proj_in(y.flatten(0, 2))
        for block in self.transformer_blocks:
            y = block(y)
        y = self.proj_out(y).unflatten(0, (-1, height, width)).permute(0, 3, 4, 1, 2)
        return x + y.flatten(0, 1)


class MotionModule(nn.Module):
    """Lets every place of a feature map see itself in the other frames; keeps the shape."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.temporal_transformer = _Transformer(dim)
        # Starts as the identity, like upstream, so that an image network can be trained on.
        nn.init.zeros_(self.temporal_transformer.proj_out.weight)
        nn.init.zeros_(self.temporal_transformer.proj_out.bias)

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        """Map (B * T, C, H, W) -> (B * T, C, H, W); T is `num_frames`, at most 32."""
        return self.temporal_transformer(x, num_frames)
