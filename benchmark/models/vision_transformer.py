"""Vision transformer over tubes of a video, as VideoMAE fine-tunes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from benchmark.core.schema import Positive, Share, Strict
from benchmark.data.inputs import Input, VideoInput
from benchmark.models.backbone import BackboneSpec

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.models.preprocessors import Preprocessor
    from benchmark.models.recognizer import Recognizer


class Positions(Strict):
    """The views that a table of positions was made for."""

    frames: Positive
    """Frames of a view."""
    size: Positive
    """Height and width of a view in pixels."""


class VisionTransformer(BackboneSpec):
    """Plain vision transformer over tubes of a video (VideoMAE, Tong et al., NeurIPS 2022)."""

    kind: Literal["vision_transformer"]
    embed_dims: Positive
    """Channels of a token."""
    depth: Positive
    """Blocks."""
    num_heads: Positive
    """Attention heads of each block."""
    patch_size: Positive
    """Height and width in pixels of the tube that becomes one token."""
    tubelet_size: Positive
    """Its frames."""
    positions: Positions | None
    """Views that the initial weights were trained on: the positions of other views are resampled
    from theirs, in time and space. Null: those of the input."""
    drop_path: Share
    """Share of clips for which the last block is skipped in training; earlier blocks less often."""
    dropout: Share
    """Dropout before the last layer, in training."""

    @model_validator(mode="after")
    def _heads_fit(self) -> VisionTransformer:
        if self.embed_dims % (2 * self.num_heads):
            wrong = f"embed_dims must be an even multiple of num_heads ({self.num_heads})"
            raise ValueError(wrong)
        return self

    def faults(self, input_spec: Input) -> list[str]:
        if not isinstance(input_spec, VideoInput):
            return [f"backbone: cannot take input '{input_spec.kind}', it takes frames alone"]
        faults, views = [], {"input": input_spec, "backbone.positions": self.positions}
        for where, view in views.items():
            if view and view.size % self.patch_size:
                faults.append(f"{where}: size must be a multiple of patch_size {self.patch_size}")
            if view and view.frames % self.tubelet_size:
                wanted = f"a multiple of tubelet_size {self.tubelet_size}"
                faults.append(f"{where}: frames must be {wanted}")
        return faults

    def grid(self, view: VideoInput | Positions) -> tuple[int, int, int]:
        """Count the tokens of a view along time, height and width."""
        side = view.size // self.patch_size
        return view.frames // self.tubelet_size, side, side

    def layers(self, view: VideoInput, in_channels: int, *, pooled: bool) -> Any:
        """Build mmaction2's layers: (B, in_channels, T, H, W) -> (B, embed_dims).

        Args:
            view: The views that they take.
            in_channels: Channels of a pixel.
            pooled: Whether to average the tokens and to normalize the mean, as a classifier does;
                otherwise each token is normalized, as in masked pre-training.
        """
        from benchmark.models.mmaction_import import build_backbone

        network: Any = build_backbone(
            "VisionTransformer",
            {
                "img_size": view.size, "num_frames": view.frames, "patch_size": self.patch_size,
                "tubelet_size": self.tubelet_size, "in_channels": in_channels,
                "embed_dims": self.embed_dims, "depth": self.depth, "num_heads": self.num_heads,
                "drop_path_rate": self.drop_path, "use_mean_pooling": pooled,
            },
        )  # fmt: skip
        # The table follows from the spec: it is no part of the weights.
        network.register_buffer("pos_embed", self.table(view, self.embed_dims), persistent=False)
        return network

    def table(self, view: VideoInput, width: int) -> Tensor:
        """Return the sine of each token's number, float32 (1, tokens, width), for views like these.

        Of other views than `positions` it is resampled, trilinear: a pretrained network has learned
        what the numbers of its own grid mean.

        Source: VideoMAE, `get_sinusoid_encoding_table`.
        """
        import torch
        from torch.nn.functional import interpolate

        own, wanted = self.grid(self.positions or view), self.grid(view)
        number = torch.arange(own[0] * own[1] * own[2], dtype=torch.float64)[:, None]
        channel = torch.arange(width, dtype=torch.float64)
        angle = number / 10000 ** ((channel - channel % 2) / width)
        table = torch.where(channel % 2 == 0, angle.sin(), angle.cos()).float()[None]
        if own == wanted:
            return table
        volume = table.transpose(1, 2).unflatten(2, own)
        return interpolate(volume, wanted, mode="trilinear").flatten(2).transpose(1, 2)

    def build(
        self, preprocessor: Preprocessor, input_spec: Input, *, num_classes: int
    ) -> Recognizer:
        from benchmark.models.recognizer import Head, Recognizer

        if not isinstance(input_spec, VideoInput):
            raise TypeError("`faults` refuses any other input")
        head = Head(self.embed_dims, num_classes, self.dropout)
        layers = self.layers(input_spec, preprocessor.out_channels, pooled=True)
        return Recognizer(preprocessor, layers, head)
