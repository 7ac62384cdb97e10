"""Attention within the windows of a Video Swin: fused on a GPU, in pieces on a CPU.

Gives what mmaction2's WindowAttention3D gives, and its gradients. That makes the scores of all
windows at once, several times over: at full size most of the time goes into fetching the memory.

Source: Video Swin (Liu et al., CVPR 2022, section 3.2); the backward pass in pieces is that of
FlashAttention (Dao et al., NeurIPS 2022, appendix B).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

if TYPE_CHECKING:
    from collections.abc import Iterator

FAR = 100
"""What a mask of -100 is multiplied by: e^-100 is a denormal number, with which a CPU is slow."""
SMALL = 8 * 2**20
"""Bytes of scores that a CPU makes at once."""
PIECE = 1280 * 2**10
"""Bytes of scores otherwise, for each thread: they stay in the cache of its core."""


def position_bias(table: Tensor, index: Tensor) -> Tensor:
    """The bias between any two tokens of a window, from a table of (offsets, heads).

    `index` (N, N) tells the row for two tokens. Several times as fast as table[index].
    """
    return table.t().contiguous().index_select(1, index.reshape(-1)).view(-1, *index.shape)


def window_attention(qkv: Tensor, bias: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Softmax of scores times values: (W, N, 3, heads, d) -> (W, N, heads * d).

    W are the windows of all clips, N the tokens of one. `bias` (heads, N, N) is added to all
    scores, `mask` (windows of a clip, N, N) to those of each clip: 0, or -100 for unseen tokens.
    """
    windows, tokens, _, heads, _ = qkv.shape
    if qkv.is_cuda:
        return _fused(qkv, bias, mask, scale)
    bytes_of_scores = 4 * windows * heads * tokens**2
    in_pieces = qkv.device.type == "cpu" and qkv.dtype == bias.dtype == torch.float32
    if in_pieces and bytes_of_scores > SMALL:
        return _InPieces.apply(qkv, bias, mask, scale)
    return _at_once(qkv, bias, mask, scale)


def _at_once(qkv: Tensor, bias: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    scores = (q * scale) @ k.transpose(-2, -1)
    if mask is not None:
        bias = torch.add(bias, mask[:, None], alpha=FAR)
        scores = scores.unflatten(0, (-1, len(mask)))
    seen = (scores + bias).reshape(*q.shape[:2], *bias.shape[-2:]).softmax(-1)
    return (seen @ v).transpose(1, 2).flatten(2)


def _fused(qkv: Tensor, bias: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """By torch's kernel, which takes one bias for all of a batch.

    Under a mask the windows of a clip stand beside the heads, so that they need not be repeated
    for each clip.
    """
    q, k, v = qkv.permute(2, 0, 3, 1, 4)
    shape = q.shape
    if mask is None:
        bias = bias[None]
    else:
        bias = torch.add(bias, mask[:, None], alpha=FAR).flatten(0, 1)[None]
        q, k, v = (x.reshape(-1, bias.shape[1], *shape[2:]) for x in (q, k, v))
    # cast before the kernel expands it
    seen = scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), scale=scale)
    return seen.reshape(shape).transpose(1, 2).flatten(2)


class _Piece(NamedTuple):
    """Some heads of some windows: q, k and v (rows, N, d), and where they lie."""

    at: tuple[slice, slice]
    q: Tensor
    k: Tensor
    v: Tensor
    seen: Tensor
    """Their scores after the softmax (rows, N, N); overwritten by the next piece."""


class _Pieces:
    """All windows a piece at a time, in the same two buffers."""

    def __init__(self, qkv: Tensor, bias: Tensor, mask: Tensor | None) -> None:
        _, windows, heads, tokens, _ = qkv.shape
        rows = PIECE * torch.get_num_threads() // (4 * tokens**2)
        self._qkv, self._bias, self._mask = qkv, bias, mask
        self._heads = _divisor(heads, rows)
        one_clip = windows if mask is None else len(mask)
        self._windows = _divisor(one_clip, rows // heads) if self._heads == heads else 1
        shape = (self._windows, self._heads, tokens, tokens)
        self._seen, self.scores = qkv.new_empty(shape), qkv.new_empty(shape)

    def __iter__(self) -> Iterator[_Piece]:
        _, windows, heads, _, _ = self._qkv.shape
        for window in range(0, windows, self._windows):
            for head in range(0, heads, self._heads):
                at = (
                    slice(window, window + self._windows),
                    slice(head, head + self._heads),
                )  # fmt: skip
                q, k, v = (rows(x, at) for x in self._qkv)
                yield _Piece(at, q, k, v, self._softmax(q, k, at))

    def _softmax(self, q: Tensor, k: Tensor, at: tuple[slice, slice]) -> Tensor:
        bias = self._bias[at[1]]
        if self._mask is None:
            self.scores.copy_(bias.expand_as(self.scores))
        else:
            first = at[0].start % len(self._mask)
            some = self._mask[first : first + self._windows, None]
            torch.add(bias, some, alpha=FAR, out=self.scores)
        scores = self.scores.flatten(0, 1).baddbmm_(q, k.transpose(1, 2))
        return torch.softmax(scores, -1, out=self._seen.flatten(0, 1))


def rows(x: Tensor, at: tuple[slice, slice]) -> Tensor:
    """A view of some heads of some windows: (W, heads, N, d) -> (rows, N, d)."""
    return x[at].flatten(0, 1)


def _divisor(number: int, most: int) -> int:
    """The largest divisor of `number` up to `most`, 1 at least."""
    return max(k for k in range(1, max(1, min(number, most)) + 1) if number % k == 0)


class _InPieces(torch.autograd.Function):
    """The backward pass makes the scores again: only the sizes of q, k and v are kept."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, bias: Tensor, mask: Tensor | None, scale: float) -> Tensor:
        qkv = qkv.permute(2, 0, 3, 1, 4).contiguous()
        qkv[0] *= scale
        out = torch.empty_like(qkv[0])
        for piece in _Pieces(qkv, bias, mask):
            torch.bmm(piece.seen, piece.v, out=rows(out, piece.at))
        ctx.save_for_backward(qkv, bias, mask, out)
        ctx.scale = scale
        return out.transpose(1, 2).flatten(2)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (grad,) = grads
        qkv, bias, mask, out = ctx.saved_tensors
        grad = grad.unflatten(2, (bias.shape[0], -1)).transpose(1, 2).contiguous()
        along = (grad * out).sum(-1, keepdim=True)  # of the softmax: seen * (grad_seen - along)
        d_qkv, d_bias = torch.empty_like(qkv), torch.zeros_like(bias)
        pieces = _Pieces(qkv, bias, mask)
        for at, q, k, v, seen in pieces:
            d_q, d_k, d_v = (rows(x, at) for x in d_qkv)
            some = rows(grad, at)
            torch.bmm(seen.transpose(1, 2), some, out=d_v)
            d_scores = torch.bmm(some, v.transpose(1, 2), out=pieces.scores.flatten(0, 1))
            d_scores.sub_(rows(along, at)).mul_(seen)
            torch.bmm(d_scores, k, out=d_q)
            torch.bmm(d_scores.transpose(1, 2), q, out=d_k)
            d_bias[at[1]] += pieces.scores.sum(0)
        d_qkv[0] *= ctx.scale
        return d_qkv.permute(1, 3, 0, 2, 4).contiguous(), d_bias, None, None
