"""A projection of features to vectors of the class names, for the loss of label texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

if TYPE_CHECKING:
    from benchmark.models.recognizer import Recognizer

NAME = "text"
"""Part of the names of the projections' tensors: training alone has them."""


class WithText(nn.Linear):
    """A classifier that also projects the features: (..., C) -> (..., K + E), classes first.

    Its own tensors keep their names, and their numbers.
    """

    def __init__(self, layer: nn.Linear, dimensions: int) -> None:
        super().__init__(layer.in_features, layer.out_features, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.text = nn.Linear(layer.in_features, dimensions)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch calls it so
        logits = super().forward(input)
        return torch.cat([logits, self.text(input)], -1) if self.training else logits


def add_text(network: Recognizer, dimensions: int) -> None:
    """Let every classifier of a network project its features to vectors of `dimensions`."""
    network.text_dimensions = dimensions
    for module in list(network.cls_head.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, nn.Linear) and name.startswith("fc_"):
                setattr(module, name, WithText(layer, dimensions))


def without_text(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave the projections out of a network's weights: only training needs them."""
    return {name: x for name, x in weights.items() if f".{NAME}." not in name}


def text_distance(projected: Tensor, vectors: Tensor, label: Tensor) -> Tensor:
    """Compare projections (B, heads, E) with the vectors (K, E) of their classes: (B,).

    One minus the cosine, 0 to 2 per head, summed over the heads as their cross-entropies are.
    """
    return (1 - cosine_similarity(projected, vectors[label][:, None], dim=2)).sum(1)
