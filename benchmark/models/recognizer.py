"""Preprocessor, backbone, head: a network from what the loader delivers to logits.

State-dict keys are mmaction2's (`backbone.*`, `cls_head.fc_cls.*`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from benchmark.models.group_head import GroupProduct
    from benchmark.models.preprocessors import Preprocessor

CHANNELS_LAST = torch.channels_last_3d
"""Order of a volume in memory: 3-D convolutions are 1.3 to 1.7 times as fast with it on a CPU, and
a GPU's matrix units want it."""


class Mix(NamedTuple):
    """Which clips of a batch are mixed (mixup), or cut into each other (cutmix)."""

    share: Tensor
    """Share of the clip itself: float (B,)."""
    partner: Tensor
    """Place of the clip that makes up the rest: int64 (B,)."""
    box: tuple[float, float, float, float] | None = None
    """Cutmix: left, top, right and bottom of what the partner fills, 0 to 1; None for mixup."""


class Head(nn.Module):
    """Mean over time and space, or over tokens, dropout, one linear layer."""

    def __init__(self, in_channels: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc_cls = classifier(in_channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Turn features (B, C), (B, N, C) or (B, C, T, H, W) into logits (B, 1, K)."""
        axes = {2: None, 3: 1, 5: (2, 3, 4)}[x.ndim]
        return self.fc_cls(self.dropout(x if axes is None else x.mean(axes)))[:, None]


class TwoHeads(nn.Module):
    """A head for each pathway, RGB first (RGBPoseHead of mmaction2)."""

    def __init__(self, in_channels: tuple[int, int], num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.fc_rgb = classifier(in_channels[0], num_classes)
        self.fc_pose = classifier(in_channels[1], num_classes)

    def forward(self, x: tuple[Tensor, Tensor]) -> Tensor:
        """Turn features (B, C, T, H, W) of both pathways into logits (B, 2, K)."""
        rgb, pose = (self.dropout(path.mean(dim=(2, 3, 4))) for path in x)
        return torch.stack([self.fc_rgb(rgb), self.fc_pose(pose)], dim=1)


def classifier(in_channels: int, num_classes: int) -> nn.Linear:
    """Build the last layer, initialized as in mmaction2's I3DHead and RGBPoseHead."""
    layer = nn.Linear(in_channels, num_classes)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.zeros_(layer.bias)
    return layer


class Recognizer(nn.Module):
    """A network with one head, or with two."""

    def __init__(self, preprocessor: Preprocessor, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.preprocessor = preprocessor
        self.backbone = _channels_last(backbone) if preprocessor.is_volume else backbone
        self.cls_head = head
        self.groups: GroupProduct | None = None
        """Makes probabilities of classes of what the head says of classes and groups."""
        self.factors: dict[str, tuple[float, float]] = {}
        """Beginning of parameters' names -> factors on their learning rate and weight decay."""
        self.text_dimensions = 0
        """Last outputs in training that are no logits: features projected to label texts."""

    def forward(self, x: tuple[Tensor, ...], mix: Mix | None = None) -> Tensor:
        """Turn views as the loader delivers them, each (B, ...), into logits (B, heads, K).

        In training with a loss of label texts, their projections follow: (B, heads, K + E).
        """
        out = self.cls_head(self.features(x, mix))
        logits, *text = self.split(out)
        logits = logits if self.groups is None else self.groups(logits)
        return torch.cat([logits, *text], 2) if text else logits

    def split(self, out: Tensor) -> tuple[Tensor, ...]:
        """Split outputs into logits and, in training with a loss of label texts, projections."""
        if not (self.training and self.text_dimensions):
            return (out,)
        return out.split([out.shape[2] - self.text_dimensions, self.text_dimensions], 2)

    def features(self, x: tuple[Tensor, ...], mix: Mix | None = None) -> Any:
        """Turn views into what the head takes: (B, C), (B, C, T, H, W), or that of two pathways."""
        volumes = self.preprocessor(*x)
        if mix is not None:
            # Volumes, not views: heat maps of two people can be mixed, their coordinates cannot.
            volumes = tuple(_mixed(volume, mix) for volume in volumes)
        if self.preprocessor.is_volume:
            volumes = [_as_read(volume) for volume in volumes]
        return self.backbone(*volumes)


def _as_read(volume: Tensor) -> Tensor:
    """Bring a volume into the order and the precision in which the first convolution reads it."""
    # Autocast would cast it after the copy: one pass over memory more, to the same numbers.
    device = volume.device.type
    half = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if half else volume.dtype
    return volume.to(dtype, memory_format=CHANNELS_LAST)


def _channels_last(backbone: nn.Module) -> nn.Module:
    # Weights in another order than the volumes would be reordered in every forward pass.
    for module in backbone.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
            module.to(memory_format=CHANNELS_LAST)
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    return backbone


def _mixed(volume: Tensor, mix: Mix) -> Tensor:
    """Mix, or cut, volumes (B, C, T, H, W); all volumes of a network get the same part."""
    if mix.box is not None:
        height, width = volume.shape[-2:]
        left, top, right, bottom = mix.box
        rows = slice(round(top * height), round(bottom * height))
        columns = slice(round(left * width), round(right * width))
        cut = volume.clone()
        cut[..., rows, columns] = volume[mix.partner][..., rows, columns]
        return cut
    share = mix.share.to(volume.dtype).view(-1, *[1] * (volume.ndim - 1))
    # Indexing copies, so that lerp_ may overwrite: one volume more in memory, not two.
    return volume[mix.partner].lerp_(volume, share)
