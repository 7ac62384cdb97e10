"""Input step, backbone, head: a network from what the loader gives to logits.

State-dict keys are mmaction2's (`backbone.*`, `cls_head.fc_cls.*`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class Head(nn.Module):
    """Mean over time and space, dropout, one linear layer."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc_cls = nn.Linear(in_channels, num_classes)
        nn.init.normal_(self.fc_cls.weight, std=0.01)  # I3DHead of mmaction2
        nn.init.zeros_(self.fc_cls.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> logits (B, K)."""
        return self.fc_cls(self.dropout(x.mean(dim=(2, 3, 4))))


class Recogniser(nn.Module):
    """One stream."""

    def __init__(self, step: nn.Module, backbone: nn.Module, head: Head) -> None:
        super().__init__()
        self.input_step = step
        self.backbone = backbone
        self.cls_head = head

    def forward(self, x: Tensor) -> Tensor:
        """Views as the loader gives them (B, ...) -> logits (B, K)."""
        return self.cls_head(self.backbone(self.input_step(x)))
