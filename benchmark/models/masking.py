"""What masked pre-training hides, and what predicts it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from benchmark.core.schema import AboveZero, Positive, Strict


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
