"""Tube masking: which tokens of a clip masked pre-training hides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from benchmark.core.schema import AboveZero, Positive, Strict

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Split(NamedTuple):
    """The numbers of the tokens that the encoder sees, and of those that it must predict."""

    seen: Tensor
    """int64 (B, S), ascending."""
    hidden: Tensor
    """int64 (B, H), ascending."""


class DecoderSize(Strict):
    """The decoder, which pre-training alone needs."""

    embed_dims: Positive
    """Channels of a token."""
    depth: Positive
    """Blocks."""
    num_heads: Positive
    """Attention heads of each block."""


class Masking(Strict):
    """Tube masking: the same places of all frames of a clip are hidden."""

    ratio: Annotated[float, Field(gt=0, lt=1)]
    """Share of the tubes that is hidden."""
    target_eps: AboveZero
    """Added to the standard deviation that a tube's pixels are divided by: 1e-6 as published. A
    larger one keeps the noise of still tubes small."""
    decoder: DecoderSize

    def draw(self, clips: int, grid: tuple[int, int, int], device: torch.device) -> Split:
        """Hide the same places in all frames of a clip, other places in each clip.

        `grid` counts the tokens of a clip along time, height and width.

        Source: VideoMAE (Tong et al., NeurIPS 2022), section 3.3.
        """
        import torch

        time, places = grid[0], grid[1] * grid[2]
        # From the CPU's global generator, which `seed_micro_batch` seeds: equal on every device.
        order = torch.rand(clips, places).argsort(1)
        start = places * torch.arange(time)[:, None]
        hidden = int(self.ratio * places)
        seen, masked = (
            (part.sort(1).values[:, None] + start).flatten(1).to(device, non_blocking=True)
            for part in (order[:, hidden:], order[:, :hidden])
        )
        return Split(seen, masked)
