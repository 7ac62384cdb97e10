"""Shifted windows of a Video Swin in one copy each way.

mmaction2 shifts all tokens (torch.roll), then copies them into windows, and undoes both after the
attention; the backward pass does as much again. Here an index says which token lies where in which
window, and one gather moves all of them.

Source: Video Swin (Liu et al., CVPR 2022, section 3.2, shifted windows).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

Triple = tuple[int, int, int]
"""Along time, height and width, in tokens."""
GEOMETRIES = 64
"""Most indices that are kept: a network has one per stage and size of view."""


def to_windows(x: Tensor, size: Triple, shift: Triple) -> Tensor:
    """Shift a view by -`shift` and cut it into windows: (B, D, H, W, C) -> (B * windows, N, C).

    D, H and W are multiples of `size`; N is the number of tokens of a window.
    """
    order, back = orders(tuple(x.shape[1:4]), size, shift, x.device)
    tokens = size[0] * size[1] * size[2]
    return _Move.apply(x.flatten(1, 3), order, back).reshape(-1, tokens, x.shape[-1])


def from_windows(windows: Tensor, view: tuple[int, ...], size: Triple, shift: Triple) -> Tensor:
    """Undo `to_windows`: (B * windows, N, C) -> (B, D, H, W, C).

    Args:
        windows: Of all clips, one clip after the other.
        view: D, H and W of the view that they were cut from.
        size: Of a window.
        shift: As it was cut.
    """
    order, back = orders(view, size, shift, windows.device)
    x = windows.reshape(-1, len(order), windows.shape[-1])
    return _Move.apply(x, back, order).unflatten(1, view)


@lru_cache(GEOMETRIES)
def orders(
    view: tuple[int, ...], size: Triple, shift: Triple, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return where each token of the windows comes from, and where each token of the view goes.

    Args:
        view: D, H and W of the view.
        size: Of a window.
        shift: By which the view is moved back before it is cut.
        device: Of the answers, both int64 (D * H * W,).
    """
    # What inference mode made, no backward pass could use later.
    with torch.inference_mode(mode=False):
        place = torch.arange(view[0] * view[1] * view[2], device=device).view(view)
        place = place.roll([-step for step in shift], (0, 1, 2))
        for axis, step in enumerate(size):
            place = place.unflatten(2 * axis, (-1, step))
        order = place.permute(0, 2, 4, 1, 3, 5).flatten()
        return order, order.argsort()


class _Move(torch.autograd.Function):
    """A gather whose gradient is a gather. torch's adds rows to zeros, since they may repeat."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return x.index_select(1, order)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0].index_select(1, ctx.saved_tensors[0]), None, None
