"""Layers of probes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from benchmark.models.recognizer import classifier

if TYPE_CHECKING:
    from benchmark.models.probe import AttentiveProbe

MLP_RATIO = 4
"""Hidden channels of a block's perceptron over its channels."""
QUERY_STD = 0.02


class FeatureNorm(nn.BatchNorm1d):
    """Brings each channel of tokens (B, tokens, width) to mean 0 and variance 1, without a scale.

    Features of frozen networks differ by orders of magnitude; learning rates of a grid must not.

    Source: linear probing of MAE (He et al., CVPR 2022).
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch calls it so
        rows = input.flatten(0, 1)
        if self.training and len(rows) == 1:  # a batch of one number per channel has no variance
            return batch_norm(rows, self.running_mean, self.running_var, eps=self.eps).view_as(
                input
            )
        return super().forward(rows).view_as(input)


class Probes(nn.Module):
    """Probes side by side: (B, tokens, width) -> (B, probes, K)."""

    best: Tensor

    def __init__(self, probes: Iterable[nn.Module]) -> None:
        super().__init__()
        self.probes = nn.ModuleList(probes)
        self.register_buffer("best", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([probe(x) for probe in self.probes], dim=1)


class AttentiveLayers(nn.Module):
    """Self-attention blocks, then cross-attention of one query with a perceptron, then classes."""

    def __init__(self, spec: AttentiveProbe, width: int, num_classes: int) -> None:
        super().__init__()
        own = spec.width
        self.projection = nn.Linear(width, own)
        blocks = [
            nn.TransformerEncoderLayer(
                own, spec.num_heads, MLP_RATIO * own, dropout=0.0, activation="gelu",
                batch_first=True, norm_first=True,
            )
            for _ in range(spec.blocks)
        ]  # fmt: skip
        self.blocks = nn.Sequential(*blocks)
        self.query = nn.Parameter(QUERY_STD * torch.randn(own))
        self.norm = nn.LayerNorm(own)
        self.attention = nn.MultiheadAttention(own, spec.num_heads, batch_first=True)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(own), nn.Linear(own, MLP_RATIO * own), nn.GELU(),
            nn.Linear(MLP_RATIO * own, own),
        )  # fmt: skip
        self.dropout = nn.Dropout(spec.dropout)
        self.fc_cls = classifier(own, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Turn tokens (B, tokens, width) into logits (B, 1, K)."""
        x = self.norm(self.blocks(self.projection(x)))
        # No view: torch cannot count one. No len: a recording would hold this number of clips.
        query = self.query + x.new_zeros(x.shape[0], 1, 1)
        query = query + self.attention(query, x, x, need_weights=False)[0]
        return self.fc_cls(self.dropout(query + self.perceptron(query)))
