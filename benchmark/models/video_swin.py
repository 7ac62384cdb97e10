"""Video Swin transformer (Liu et al., CVPR 2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from benchmark.core.schema import Positive, Share
from benchmark.models.backbone import BackboneSpec

if TYPE_CHECKING:
    from torch import nn

    from benchmark.data.inputs import Input
    from benchmark.models.preprocessors import Preprocessor
    from benchmark.models.recognizer import Recognizer


class VideoSwin(BackboneSpec):
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
            raise ValueError(
                f"num_heads has {len(self.num_heads)} numbers for {len(self.depths)} depths"
            )
        for stage, heads in enumerate(self.num_heads):
            if (width := self.embed_dims * 2**stage) % heads:
                raise ValueError(
                    f"{heads} heads cannot share the {width} channels of stage {stage + 1}"
                )
        return self

    def build(
        self, preprocessor: Preprocessor, input_spec: Input, *, num_classes: int
    ) -> Recognizer:
        """Build the network from scratch: colors or maps -> `num_classes` logits."""
        from benchmark.models.recognizer import Head, Recognizer

        width = self.embed_dims * 2 ** (len(self.depths) - 1)
        head = Head(width, num_classes, self.dropout)  # drawn before the backbone
        return Recognizer(preprocessor, self.layers(preprocessor.out_channels), head)

    def layers(self, in_channels: int) -> nn.Module:
        """Build SwinTransformer3D: (B, in_channels, T, H, W) -> (B, C, T', H', W')."""
        from benchmark.models.mmaction_import import build_backbone

        arguments = {
            "arch": {
                "embed_dims": self.embed_dims,
                "depths": list(self.depths),
                "num_heads": list(self.num_heads),
            },
            "pretrained": None,
            "pretrained2d": False,
            "patch_size": self.patch_size,
            "in_channels": in_channels,
            "window_size": self.window_size,
            "out_indices": (len(self.depths) - 1,),
            "drop_path_rate": self.drop_path,
            "with_cp": self.recompute,
        }
        return build_backbone("SwinTransformer3D", arguments)
