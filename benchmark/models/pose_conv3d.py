"""PoseConv3D: a SlowOnly ResNet over heat-map volumes (Duan et al., CVPR 2022), or over frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.models.mmaction_import import slow_only
from benchmark.models.recognizer import Head, Recognizer

if TYPE_CHECKING:
    from torch import nn

    from benchmark.models.specs import PoseConv3d

EXPANSION = 4
"""Channels out of a bottleneck block over its width."""


def build(spec: PoseConv3d, step: nn.Module, *, in_channels: int, num_classes: int) -> Recognizer:
    """The network from scratch: `in_channels` maps or colors -> `num_classes` logits."""
    width = spec.base_channels * 2 ** (len(spec.stage_blocks) - 1) * EXPANSION
    head = Head(width, num_classes, spec.dropout)
    return Recognizer(step, slow_only(spec, in_channels=in_channels), head)
