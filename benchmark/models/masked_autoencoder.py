"""Masked autoencoder of videos: hides most tubes of a clip and predicts their pixels.

Source: VideoMAE (Tong et al., NeurIPS 2022), sections 3.2 and 3.3, and its published code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, mse_loss

from benchmark.models.mmaction_import import vision_block
from benchmark.models.preprocessors import VideoPreprocessor

if TYPE_CHECKING:
    from benchmark.data.video_input import VideoInput
    from benchmark.models.masking import Masking, Split
    from benchmark.models.vision_transformer import VisionTransformer

EPS = 1e-6
"""Of layer norms, as in the encoder."""


class MaskedAutoencoder(nn.Module):
    """An encoder of the visible tokens, and a narrow decoder of all.

    State-dict keys are VideoMAE's, with the encoder under mmaction2's names (`backbone.*`).
    """

    decoder_positions: Tensor

    def __init__(self, backbone: VisionTransformer, view: VideoInput, masking: Masking) -> None:
        super().__init__()
        self.preprocessor = VideoPreprocessor(view.normalization)
        self.backbone = backbone.layers(view, self.preprocessor.out_channels, pooled=False)
        self._tube = (backbone.tubelet_size, backbone.patch_size, backbone.patch_size)
        self._grid, self._masking = backbone.grid(view), masking
        width = masking.decoder.embed_dims
        self.encoder_to_decoder = nn.Linear(backbone.embed_dims, width, bias=False)
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        pixels = self.preprocessor.out_channels * backbone.tubelet_size * backbone.patch_size**2
        self.decoder = Decoder(masking, pixels)
        self.register_buffer("decoder_positions", backbone.table(view, width), persistent=False)
        for part in (self.encoder_to_decoder, self.decoder):
            part.apply(_initialize)
        nn.init.trunc_normal_(self.mask_token, std=0.02)

    def forward(self, x: tuple[Tensor, ...], split: Split | None = None) -> Tensor:
        """Return the mean squared error of the hidden tubes of uint8 (B, T, H, W, 3), a scalar."""
        tubes = self.tubes(x)
        split = split or self.draw(len(tubes), tubes.device)
        return mse_loss(self.predict(tubes, split), self.targets(tubes, split))

    def tubes(self, x: tuple[Tensor, ...]) -> Tensor:
        """Cut normalized frames into tubes: float32 (B, tokens, C, t, p, p)."""
        (volume,) = self.preprocessor(*x)
        for axis, (number, size) in enumerate(zip(self._grid, self._tube, strict=True)):
            volume = volume.unflatten(2 + 2 * axis, (number, size))
        return volume.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(1, 3)

    def draw(self, clips: int, device: torch.device) -> Split:
        """Draw which tokens of so many clips are hidden."""
        return self._masking.draw(clips, self._grid, device)

    def predict(self, tubes: Tensor, split: Split) -> Tensor:
        """Predict the targets of the hidden tokens: (B, H, t * p * p * C)."""
        encoder: Any = self.backbone
        stem = encoder.patch_embed.projection
        # A convolution whose stride is its kernel is a linear layer; of the visible tubes alone it
        # costs a share of it.
        seen = linear(_at(tubes, split.seen).flatten(2), stem.weight.flatten(1), stem.bias)
        seen = seen + encoder.pos_embed[0, split.seen]
        for block in encoder.blocks:
            seen = block(seen)
        seen = self.encoder_to_decoder(encoder.norm(seen))
        positions = self.decoder_positions[0]
        asked = self.mask_token + positions[split.hidden]
        return self.decoder(torch.cat([seen + positions[split.seen], asked], 1), asked.shape[1])

    @torch.no_grad()
    def targets(self, tubes: Tensor, split: Split) -> Tensor:
        """Return the pixels of the hidden tubes, each tube and color with mean 0 and deviation 1.

        float32 (B, H, t * p * p * C), colors last.
        """
        pixels = _at(tubes, split.hidden).flatten(3)
        variance, mean = torch.var_mean(pixels, 3, keepdim=True)
        pixels = (pixels - mean) / (variance.sqrt() + self._masking.target_eps)
        return pixels.transpose(2, 3).flatten(2)

    @torch.no_grad()
    def painted(self, x: tuple[Tensor, ...], split: Split) -> tuple[Tensor, Tensor, Tensor]:
        """Draw clips whole, with the hidden tubes gray, and with them predicted.

        Each is float32 (B, T, H, W, 3) in [0, 1]. The network predicts each tube up to its mean and
        its deviation: these are taken from the clip.
        """
        tubes = self.tubes(x)
        hidden = _at(tubes, split.hidden).flatten(3).transpose(2, 3)
        scale = hidden.std(2, keepdim=True) + self._masking.target_eps
        predicted = self.predict(tubes, split).float().view_as(hidden)
        predicted = predicted * scale + hidden.mean(2, keepdim=True)
        low, high = tubes.amin(), tubes.amax()
        row = torch.arange(len(tubes), device=tubes.device)[:, None]
        gray, filled = torch.full_like(tubes, float(low + high) / 2), tubes.clone()
        gray[row, split.seen] = tubes[row, split.seen]
        filled[row, split.hidden] = predicted.transpose(2, 3).unflatten(3, self._tube)
        whole, masked, filled = map(self._joined, (tubes, gray, filled))
        span = (high - low).clamp(min=EPS)
        return tuple(((one - low) / span).clamp(0, 1) for one in (whole, masked, filled))  # pyright: ignore[reportReturnType]

    def _joined(self, tubes: Tensor) -> Tensor:
        """Undo `tubes`, colors last: (B, T, H, W, C)."""
        grid = tubes.unflatten(1, self._grid).permute(0, 1, 5, 2, 6, 3, 7, 4)
        return grid.flatten(1, 2).flatten(2, 3).flatten(3, 4)


class Decoder(nn.Module):
    """Blocks over all tokens; a linear layer from the last ones to pixels."""

    def __init__(self, masking: Masking, pixels: int) -> None:
        super().__init__()
        spec = masking.decoder
        blocks = [vision_block(spec.embed_dims, spec.num_heads) for _ in range(spec.depth)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(spec.embed_dims, eps=EPS)
        self.head = nn.Linear(spec.embed_dims, pixels)

    def forward(self, x: Tensor, last: int) -> Tensor:
        """Turn tokens (B, N, D) into the pixels of the last ones, (B, last, pixels)."""
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x[:, -last:]))


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _at(tubes: Tensor, numbers: Tensor) -> Tensor:
    return tubes[torch.arange(len(tubes), device=tubes.device)[:, None], numbers]
