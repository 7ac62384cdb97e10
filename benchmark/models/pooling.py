"""Features of any backbone of mmaction2, pooled to one vector per clip, as its own heads do."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


def pool_features(backbone: nn.Module, images_per_clip: int | None) -> None:
    """Make `backbone` return one vector per clip: (B, C, T, H, W) -> (B, C).

    A backbone of images sees the `images_per_clip` frames of a clip as separate images.
    """
    # Hooks, because a wrapper module would put its name into every key of the saved weights.
    if images_per_clip:
        backbone.register_forward_pre_hook(_as_images)
    backbone.register_forward_hook(partial(_pool, frames=images_per_clip))


def _as_images(_: nn.Module, args: tuple[Tensor]) -> Tensor:
    """Turn (B, C, T, H, W) into (B * T, C, H, W)."""
    return args[0].transpose(1, 2).flatten(0, 1)


def _pool(_: nn.Module, args: tuple[Tensor], out: Any, *, frames: int | None) -> Tensor:
    """Average what a backbone returns over places or tokens, and over `frames` images: (B, C).

    Args:
        args: What went into the backbone; its batch axis counts images if `frames` is set.
        out: One tensor, or several whose vectors are joined.
        frames: Images per clip; None for a backbone with a time axis.
    """
    features = torch.cat([_vectors(part) for part in _parts(out)], dim=1)
    if frames is None:
        return features
    # `shape`, not `len`, which would fix the number of clips in a network that is exported.
    return features.reshape(args[0].shape[0] // frames, -1, features.shape[1]).mean(1)


def _vectors(part: Tensor) -> Tensor:
    """Average (R, C, ...) over places, or (R, N, C) over tokens, to (R, C)."""
    if part.ndim == 3:
        return part.mean(1)
    return part if part.ndim == 2 else part.flatten(2).mean(2)


def _parts(out: Any) -> Iterator[Tensor]:
    """Yield the tensors to join in the order of mmaction2's heads."""
    if isinstance(out, Tensor):
        yield out
    elif len(out) == 2 and all(isinstance(x, Tensor) for x in out) and out[1].ndim == 2:
        # MViT returns places and their class token; its head reads the token alone.
        yield out[1]
    else:
        # SlowFastHead puts the fast pathway, which comes last, first.
        for part in reversed(out):
            yield from _parts(part)
