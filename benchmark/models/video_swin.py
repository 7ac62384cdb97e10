"""Video Swin transformer (Liu et al., CVPR 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from benchmark.core.schema import Positive, Share
from benchmark.models.backbone import OnePathway

if TYPE_CHECKING:
    from torch import nn


class VideoSwin(OnePathway):
    """Video Swin transformer (Liu et al., CVPR 2022)."""

    kind: Literal["video_swin"]
    embed_dims: Positive
    """Channels of the first stage; each further stage has twice as many."""
    depths: tuple[Positive, ...]
    """Blocks of each stage."""
    num_heads: tuple[Positive, ...]
    """Attention heads of each stage."""
    patch_size: tuple[Positive, Positive, Positive]
    """Frames, lines and columns that become one token."""
    stem: Annotated[tuple[Positive, ...], Field(min_length=1)] | None = None
    """Channels of the convolutions before the last one that make the tokens, each of which halves
    lines and columns: [16, 32] for patch_size [2, 8, 8]. Null, as in the paper, cuts patches."""
    window_size: tuple[Positive, Positive, Positive]
    """Tokens along time, height and width that attend to each other."""
    drop_path: Share
    """Share of clips for which the last block is skipped in training; earlier blocks less often."""
    dropout: Share
    """Dropout before the last layer, in training."""
    recompute: bool
    """Compute activations again in the backward pass: less memory, about a third more time."""

    @model_validator(mode="after")
    def _heads_fit(self) -> VideoSwin:
        if len(self.depths) != len(self.num_heads):
            numbers = f"{len(self.num_heads)} numbers for {len(self.depths)} depths"
            raise ValueError(f"num_heads has {numbers}")
        for stage, heads in enumerate(self.num_heads):
            if (width := self.embed_dims * 2**stage) % heads:
                channels = f"the {width} channels of stage {stage + 1}"
                raise ValueError(f"{heads} heads cannot share {channels}")
        return self

    @model_validator(mode="after")
    def _stem_fits(self) -> VideoSwin:
        if self.stem is not None:
            side = 2 ** (len(self.stem) + 1)
            if self.patch_size != (2, side, side):
                raise ValueError(f"stem {list(self.stem)} needs patch_size [2, {side}, {side}]")
        return self

    @property
    def width(self) -> int:
        return self.embed_dims * 2 ** (len(self.depths) - 1)

    def layers(self, in_channels: int) -> nn.Module:
        from benchmark.models.mmaction_import import build_backbone

        arch = {
            "embed_dims": self.embed_dims, "depths": list(self.depths),
            "num_heads": list(self.num_heads),
        }  # fmt: skip
        arguments = {
            "arch": arch, "pretrained": None, "pretrained2d": False, "in_channels": in_channels,
            "patch_size": self.patch_size, "window_size": self.window_size,
            "out_indices": (len(self.depths) - 1,), "drop_path_rate": self.drop_path,
            "with_cp": self.recompute,
        }  # fmt: skip
        layers = build_backbone("SwinTransformer3D", arguments)
        if self.stem is not None:
            from benchmark.models.conv_stem import ConvStem

            layers.patch_embed = ConvStem(in_channels, self.stem, self.embed_dims)
        return layers
