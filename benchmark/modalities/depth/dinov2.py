"""DINOv2's vision transformer, with the published names of its tensors.

Source: DINOv2 (Oquab et al., 2023, arXiv 2304.07193) and its code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

PATCH = 14
"""Side of a patch in pixels."""
GRID = 37
"""Patches along a side at which the positions were learnt (518 pixels)."""
_OFFSET = 0.1
"""Added to the size of a resized table of positions: the weights were trained with it."""
_EPS = 1e-6


class _PatchEmbed(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=PATCH, stride=PATCH)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) -> (B, H/14 * W/14, D), row after row."""
        return self.proj(x).flatten(2).transpose(1, 2)


class _Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, N, D) -> (B, N, D)."""
        qkv = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(y.transpose(1, 2).flatten(2))


class _LayerScale(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) -> (..., D)."""
        return x * self.gamma


class _Mlp(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., D) -> (..., D)."""
        return self.fc2(functional.gelu(self.fc1(x)))


class _Block(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=_EPS)
        self.attn = _Attention(dim, num_heads)
        self.ls1 = _LayerScale(dim)
        self.norm2 = nn.LayerNorm(dim, eps=_EPS)
        self.mlp = _Mlp(dim)
        self.ls2 = _LayerScale(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, N, D) -> (B, N, D)."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        return x + self.ls2(self.mlp(self.norm2(x)))


class DinoV2(nn.Module):
    """The encoder without registers: 12 or 24 blocks over patches of 14 pixels."""

    def __init__(self, *, dim: int, depth: int, num_heads: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + GRID * GRID, dim))
        self.mask_token = nn.Parameter(torch.zeros(1, dim))  # of the pre-training: only stored
        self.patch_embed = _PatchEmbed(dim)
        self.blocks = nn.ModuleList(_Block(dim, num_heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=_EPS)

    def forward(self, x: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Compute normed patch tokens after each of the blocks `layers`: (B, H/14 * W/14, D) each.

        `x` is float32 (B, 3, H, W), normalized; H and W are multiples of 14. `layers` ascends.
        """
        rows, columns = x.shape[-2] // PATCH, x.shape[-1] // PATCH
        tokens = self.patch_embed(x)
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], dim=1)
        tokens = tokens + self.positions(rows, columns).to(tokens.dtype)
        found = []
        for number, block in enumerate(self.blocks):
            tokens = block(tokens)
            if number in layers:
                found.append(self.norm(tokens)[:, 1:])
        return found

    def positions(self, rows: int, columns: int) -> Tensor:
        """Resize the learned positions to a grid of patches: (1, 1 + rows * columns, D)."""
        if rows == columns == GRID:
            return self.pos_embed
        learnt = self.pos_embed[:, 1:].unflatten(1, (GRID, GRID)).permute(0, 3, 1, 2)
        # By factors and not by size: the offset moves every sampled point a little.
        factors = [(rows + _OFFSET) / GRID, (columns + _OFFSET) / GRID]
        table = functional.interpolate(learnt, scale_factor=factors, mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], table.flatten(2).transpose(1, 2)], dim=1)
