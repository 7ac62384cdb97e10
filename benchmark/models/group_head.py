"""A head of groups: which group a clip belongs to, times which class of the group it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class GroupProduct(nn.Module):
    """Turns the outputs of a last layer of K classes and G groups into log-probabilities of K.

    p(class) = p(group of the class) p(class | its group). The softmax of log-probabilities gives
    the probabilities back, and their cross-entropy is that of the group plus that of the class
    within it: losses, fusion and prediction need to know nothing of groups.

    Source: the soft fusion of SoftRerank (doi 10.1145/3767308.3837680), 1st of MAC 2026.
    """

    members: Tensor

    def __init__(self, group_of: Sequence[int]) -> None:
        """Keep the group of each class, 0 to G - 1."""
        super().__init__()
        self.register_buffer("members", membership(group_of), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, heads, K + G) into float32 (B, heads, K)."""
        groups, classes = self.members.shape
        fine, coarse = x.float().split([classes, groups], dim=2)
        group_of = self.members.int().argmax(0)
        within = fine - group_logits(fine, self.members)[..., group_of]
        return coarse.log_softmax(2)[..., group_of] + within


def membership(group_of: Sequence[int]) -> Tensor:
    """Tell which classes a group has: bool (G, K)."""
    of = torch.tensor(group_of)
    return torch.arange(int(of.max()) + 1)[:, None] == of


def group_logits(logits: Tensor, members: Tensor) -> Tensor:
    """Add up the classes of each group: logits (..., K) -> logits (..., G)."""
    return logits[..., None, :].masked_fill(~members, -torch.inf).logsumexp(-1)
