"""Video Swin transformer (Liu et al., CVPR 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.models.mmaction_import import swin_3d
from benchmark.models.recognizer import Head, Recognizer

if TYPE_CHECKING:
    from torch import nn

    from benchmark.models.specs import VideoSwin


def build(spec: VideoSwin, step: nn.Module, *, in_channels: int, num_classes: int) -> Recognizer:
    """The network from scratch: `in_channels` colors or maps -> `num_classes` logits."""
    width = spec.embed_dims * 2 ** (len(spec.depths) - 1)
    head = Head(width, num_classes, spec.dropout)
    return Recognizer(step, swin_3d(spec, in_channels=in_channels), head)
