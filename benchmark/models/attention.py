"""Attention within the windows of a Video Swin: fused on a GPU, in pieces on a CPU.

Equals mmaction2's WindowAttention3D in outputs and gradients. mmaction2 holds the scores of all
windows at once, in several copies; at full size, fetching them from memory takes most of the time.

Source: Video Swin (Liu et al., CVPR 2022, section 3.2); the backward pass in pieces is that of
FlashAttention (Dao et al., NeurIPS 2022, appendix B).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from benchmark.runtime.memory import largest_part

FAR = 100
"""Factor for masks of -100. e^-100 is a denormal number, which slows a CPU down; e^-10000 is 0."""
SMALL = 8 * 2**20
"""Bytes of scores up to which a CPU computes all of them at once."""
PIECE = 1280 * 2**10
"""Bytes of scores per thread in a piece: they stay in the cache of its core."""


def position_bias(table: Tensor, index: Tensor) -> Tensor:
    """Return the bias between any two tokens of a window: (heads, N, N).

    `table` is (offsets, heads), and `index` (N, N) gives its row for two tokens.
    """
    # Several times as fast as table[index]: each head gathers from one contiguous row, and the
    # result needs no permutation.
    return table.t().contiguous().index_select(1, index.reshape(-1)).view(-1, *index.shape)


def window_attention(qkv: Tensor, bias: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Compute attention within each window: softmax of scores times values, (W, N, heads * d).

    Args:
        qkv: Queries, keys and values (W, N, 3, heads, d) of the W windows of all clips, N tokens
            in each.
        bias: Position bias (heads, N, N), added to the scores of every window.
        mask: 0, or -100 where a shifted window holds tokens of different regions: (windows of one
            clip, N, N).
        scale: Factor for the queries, usually d^-0.5.
    """
    windows, tokens, _, heads, _ = qkv.shape
    if qkv.is_cuda:
        return _fused(qkv, bias, mask, scale)
    bytes_of_scores = 4 * windows * heads * tokens**2
    in_pieces = qkv.device.type == "cpu" and qkv.dtype == bias.dtype == torch.float32
    # An exported network is asked about batches of any size: one way for all of them.
    if in_pieces and not torch.compiler.is_exporting() and bytes_of_scores > SMALL:
        return _InPieces.apply(qkv, bias, mask, scale)
    return _at_once(qkv, bias, mask, scale)


def _at_once(qkv: Tensor, bias: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    scores = (q * scale) @ k.transpose(-2, -1)
    if mask is not None:
        # Windows lie clip after clip, so the mask of one clip broadcasts over the clips.
        bias = torch.add(bias, mask[:, None], alpha=FAR)
        scores = scores.unflatten(0, (-1, len(mask)))
    weights = (scores + bias).reshape(*q.shape[:2], *bias.shape[-2:]).softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2)


def _fused(qkv: Tensor, bias: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    shape = q.shape
    # torch's kernel broadcasts one bias over the batch. Under a mask, the windows of a clip join
    # the axis of heads and only clips are left as the batch: no copy of the bias per clip.
    if mask is None:
        bias = bias[None]
    else:
        bias = torch.add(bias, mask[:, None], alpha=FAR).flatten(0, 1)[None]
        q, k, v = (x.reshape(-1, bias.shape[1], *shape[2:]) for x in (q, k, v))
    # Cast before the kernel expands the bias, or the cast would touch the expanded one.
    attended = scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), scale=scale)
    return attended.reshape(shape).transpose(1, 2).flatten(2)


class _Piece(NamedTuple):
    """Some heads of some windows, with rows = windows * heads."""

    at: tuple[slice, slice]
    """Where the piece lies: windows, heads."""
    q: Tensor
    k: Tensor
    v: Tensor
    """Queries, keys and values, each (rows, N, d)."""
    weights: Tensor
    """Scores after the softmax (rows, N, N); the next piece overwrites them."""


class _Pieces:
    """All windows, one piece at a time in the same two buffers."""

    def __init__(self, qkv: Tensor, bias: Tensor, mask: Tensor | None) -> None:
        _, windows, heads, tokens, _ = qkv.shape
        # bmm shares its rows out among the threads, so a piece holds what all their caches hold.
        rows = PIECE * torch.get_num_threads() // (4 * tokens**2)
        self._qkv, self._bias, self._mask = qkv, bias, mask
        # Divisors make all pieces alike: the buffers fit each of them, and a piece never spans
        # two clips, so one slice of the mask fits it.
        self._heads = largest_part(heads, rows)
        one_clip = windows if mask is None else len(mask)
        # Several windows only with all heads: q[windows, heads] is then one block of memory, and
        # flattening it makes a view, not a copy.
        self._windows = largest_part(one_clip, rows // heads) if self._heads == heads else 1
        shape = (self._windows, self._heads, tokens, tokens)
        self._weights, self.scores = qkv.new_empty(shape), qkv.new_empty(shape)

    def __iter__(self) -> Iterator[_Piece]:
        _, windows, heads, _, _ = self._qkv.shape
        for window in range(0, windows, self._windows):
            for head in range(0, heads, self._heads):
                at = slice(window, window + self._windows), slice(head, head + self._heads)
                q, k, v = (rows(x, at) for x in self._qkv)
                yield _Piece(at, q, k, v, self._softmax(q, k, at))

    def _softmax(self, q: Tensor, k: Tensor, at: tuple[slice, slice]) -> Tensor:
        bias = self._bias[at[1]]
        if self._mask is None:
            self.scores.copy_(bias.expand_as(self.scores))
        else:
            first = at[0].start % len(self._mask)
            mask = self._mask[first : first + self._windows, None]
            torch.add(bias, mask, alpha=FAR, out=self.scores)
        # The product is added onto the bias in place: no third buffer for the bare product.
        scores = self.scores.flatten(0, 1).baddbmm_(q, k.transpose(1, 2))
        return torch.softmax(scores, -1, out=self._weights.flatten(0, 1))


def rows(x: Tensor, at: tuple[slice, slice]) -> Tensor:
    """View some heads of some windows as a batch: (W, heads, N, d) -> (rows, N, d)."""
    return x[at].flatten(0, 1)


class _InPieces(torch.autograd.Function):
    """Attention whose backward pass computes the scores again: it keeps q, k, v and the result."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, bias: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        qkv = qkv.permute(2, 0, 3, 1, 4).contiguous()  # a copy, which the next line may change
        qkv[0] *= scale
        out = torch.empty_like(qkv[0])
        for piece in _Pieces(qkv, bias, mask):
            torch.bmm(piece.weights, piece.v, out=rows(out, piece.at))
        ctx.save_for_backward(qkv, bias, mask, out)
        ctx.scale = scale
        return out.transpose(1, 2).flatten(2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (grad,) = grads
        qkv, bias, mask, out = ctx.saved_tensors
        grad = grad.unflatten(2, (bias.shape[0], -1)).transpose(1, 2).contiguous()
        # The softmax's gradient is weights * (d_weights - sum(weights * d_weights)). That sum over
        # N tokens equals sum(grad * out) over d channels, so one pass over each piece is enough.
        along = (grad * out).sum(-1, keepdim=True)
        d_qkv, d_bias = torch.empty_like(qkv), torch.zeros_like(bias)
        pieces = _Pieces(qkv, bias, mask)
        for at, q, k, v, weights in pieces:
            d_q, d_k, d_v = (rows(x, at) for x in d_qkv)
            d_out = rows(grad, at)
            torch.bmm(weights.transpose(1, 2), d_out, out=d_v)
            # The scores are no longer needed; their buffer takes the gradient.
            d_scores = torch.bmm(d_out, v.transpose(1, 2), out=pieces.scores.flatten(0, 1))
            d_scores.sub_(rows(along, at)).mul_(weights)
            torch.bmm(d_scores, k, out=d_q)
            torch.bmm(d_scores.transpose(1, 2), q, out=d_k)
            d_bias[at[1]] += pieces.scores.sum(0)
        d_qkv[0] *= ctx.scale  # q was scaled before the scores
        return d_qkv.permute(1, 3, 0, 2, 4).contiguous(), d_bias, None, None
