"""DINOv2's vision transformer of timm's blocks, with the published names of its tensors.

Source: DINOv2 (Oquab et al., 2023, arXiv 2304.07193) and its code.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from timm.layers.patch_embed import PatchEmbed
from timm.models.vision_transformer import Block
from torch import Tensor, nn
from torch.nn import functional

PATCH = 14
"""Side of a patch in pixels."""
GRID = 37
"""Patches along a side at which the positions were learnt (518 pixels)."""
_OFFSET = 0.1
"""Added to the size of a resized table of positions: the weights were trained with it."""


class DinoV2(nn.Module):
    """The encoder without registers: 12 or 24 blocks over patches of 14 pixels."""

    def __init__(self, *, dim: int, depth: int, num_heads: int) -> None:
        super().__init__()
        layer_norm: Any = partial(nn.LayerNorm, eps=1e-6)  # timm wants a class
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + GRID * GRID, dim))
        self.mask_token = nn.Parameter(torch.zeros(1, dim))  # of the pre-training: only stored
        self.patch_embed = PatchEmbed(None, PATCH, embed_dim=dim)
        self.blocks = nn.ModuleList(
            Block(dim, num_heads, qkv_bias=True, init_values=1.0, norm_layer=layer_norm)
            for _ in range(depth)
        )
        self.norm = layer_norm(dim)

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
