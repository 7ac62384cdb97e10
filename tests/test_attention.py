"""Window attention of the Video Swin gives mmaction2's numbers, every way it is computed."""

from __future__ import annotations

import copy
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from benchmark.models import attention
from benchmark.models import mmaction_import as mmaction
from benchmark.models.video_swin import VideoSwin

CLOSE = {"atol": 1e-5, "rtol": 1e-5}


class Way(NamedTuple):
    """A way to compute, forced by these values of the module."""

    values: dict[str, object]
    """PIECE of 0 is one head of one window at a time."""


def fused(qkv: Tensor, bias: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """The way of a GPU: torch has the kernel for a CPU too."""
    return attention._fused(qkv, bias, mask, scale)


WAYS = {
    "at once": Way({"SMALL": 2**40}),
    "a head at a time": Way({"SMALL": 0, "PIECE": 0}),
    "some heads at a time": Way({"SMALL": 0, "PIECE": 4 * 2 * 36**2}),
    "some windows at a time": Way({"SMALL": 0, "PIECE": 4 * 16 * 36**2}),
    "fused": Way({"_at_once": fused, "SMALL": 2**40}),
}
VIEWS = {
    "windows fit": (4, 12, 12),
    "windows are padded": (5, 10, 8),
    "windows are larger than the view": (2, 6, 2),
    "one window": (4, 3, 3),
}
"""Tokens of a view, for windows of (4, 3, 3)."""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in WAYS[request.param].values.items():
        monkeypatch.setattr(attention, name, value)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)  # which makes the pieces larger
    return request.param


def two_blocks() -> tuple[nn.Module, nn.Module]:
    """mmaction2's, one of windows and one of shifted windows, and the same with our attention."""
    mmaction.mmaction_models()
    from mmaction.models.backbones.swin import BasicLayer

    torch.manual_seed(0)
    theirs = BasicLayer(24, 2, 4, window_size=(4, 3, 3))
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.5 if parameter.ndim > 1 else 1)
    ours = copy.deepcopy(theirs)
    mmaction.speed_up_attention(ours)
    assert type(ours.blocks[0].attn) is not type(theirs.blocks[0].attn)
    assert type(ours.blocks[1]) is not type(theirs.blocks[1])
    return ours, theirs


@pytest.mark.parametrize("tokens", VIEWS.values(), ids=list(VIEWS))
def test_outputs_and_gradients_are_those_of_mmaction2(way: str, tokens: tuple[int, ...]) -> None:
    ours, theirs = two_blocks()
    x = torch.randn(2, 24, *tokens)
    one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    weight = torch.randn(2, *tokens, 24)
    found, expected = ours(one), theirs(other)
    assert expected.std() > 0.1
    close(found, expected)
    (found * weight).sum().backward()
    (expected * weight).sum().backward()
    close(one.grad, other.grad)
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert p.grad is not None, name
        close(p.grad, q.grad)
    assert all(block.attn.relative_position_bias_table.grad.any() for block in ours.blocks)


def close(found: Tensor | None, expected: Tensor | None) -> None:
    """Within 1e-5 of the largest number."""
    assert found is not None
    assert expected is not None
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(found / scale, expected / scale, **CLOSE)


def test_without_gradients_too(way: str) -> None:
    ours, theirs = two_blocks()
    x = torch.randn(2, 24, 4, 12, 12)
    with torch.inference_mode():
        close(ours(x), theirs(x))


def test_a_whole_network_keeps_names_and_numbers() -> None:
    spec = VideoSwin(
        kind="video_swin", embed_dims=24, depths=(2, 2), num_heads=(2, 4), patch_size=(2, 4, 4),
        window_size=(4, 3, 3), drop_path=0.0, dropout=0.1, recompute=False,
    )  # fmt: skip
    ours = spec.layers(in_channels=3)
    from mmaction.models import SwinTransformer3D

    theirs = SwinTransformer3D(
        arch={"embed_dims": 24, "depths": [2, 2], "num_heads": [2, 4]}, pretrained2d=False,
        patch_size=(2, 4, 4), window_size=(4, 3, 3), out_indices=(1,), drop_path_rate=0.0,
    )  # fmt: skip
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(2, 3, 8, 48, 48)
    close(ours(x), theirs(x))


def test_masked_scores_leave_no_denormal_numbers() -> None:
    """They make a CPU many times as slow."""
    qkv, bias = torch.randn(4, 6, 3, 2, 6), torch.randn(2, 6, 6)
    mask = torch.zeros(4, 6, 6)
    mask[:, :3, 3:] = mask[:, 3:, :3] = -100
    qkv[:, :, 2] = torch.eye(6)[:, None]  # values that show the weights
    weights = attention.window_attention(qkv, bias, mask, 0.3).unflatten(2, (2, 6))
    unseen = mask.bool()[:, :, None].expand_as(weights)
    assert not weights[unseen].any()
    assert weights[~unseen].all()


@pytest.mark.parametrize(("number", "most", "found"), [(12, 5, 4), (7, 6, 1), (3, 9, 3), (5, 0, 1)])
def test_pieces_are_alike(number: int, most: int, found: int) -> None:
    assert attention.largest_part(number, most) == found


def test_large_windows_are_attended_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> Tensor:
        raise AssertionError("all scores at once")

    monkeypatch.setattr(attention, "_at_once", forbidden)
    tokens, heads = 392, 3
    qkv = torch.randn(5, tokens, 3, heads, 4)
    bias = torch.zeros(heads, tokens, tokens)
    assert attention.window_attention(qkv, bias, None, 0.5).shape == (5, tokens, heads * 4)
    with pytest.raises(AssertionError, match="at once"):
        attention.window_attention(qkv[:2], bias, None, 0.5)
