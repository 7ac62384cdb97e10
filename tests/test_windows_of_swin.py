"""Shifted windows by one gather hold the very numbers of a shift and a partition."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from benchmark.models import mmaction_import as mmaction
from benchmark.models.windows import from_windows, to_windows


@st.composite
def geometries(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """A view of whole windows, the size of a window, a shift smaller than it."""
    size = draw(st.tuples(*[st.integers(1, 4)] * 3))
    view = tuple(step * draw(st.integers(1, 3)) for step in size)
    return view, size, tuple(draw(st.integers(0, step - 1)) for step in size)


@settings(deadline=None)  # the first case imports mmaction2
@given(geometries())
def test_values_and_gradients_are_those_of_a_roll_and_a_partition(geometry: Any) -> None:
    view, size, shift = geometry
    one = torch.randn(2, *view, 3, requires_grad=True)
    other = one.detach().clone().requires_grad_()
    found, expected = to_windows(one, size, shift), rolled(other, size, shift)
    assert torch.equal(found, expected)
    weight = torch.randn_like(found)
    (found * weight).sum().backward()
    (expected * weight).sum().backward()
    assert one.grad is not None
    assert other.grad is not None
    assert torch.equal(one.grad, other.grad)


@given(geometries())
def test_the_way_back_undoes_the_way_there(geometry: Any) -> None:
    view, size, shift = geometry
    x = torch.randn(2, *view, 3, requires_grad=True)
    back = from_windows(to_windows(x, size, shift), view, size, shift)
    assert torch.equal(back, x)
    weight = torch.randn_like(x)
    (back * weight).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, weight)


def rolled(x: Tensor, size: Any, shift: Any) -> Tensor:
    """mmaction2's way."""
    mmaction.mmaction_models()
    from mmaction.models.backbones.swin import window_partition

    x = torch.roll(x, [-step for step in shift], (1, 2, 3))
    return window_partition(x, size).view(-1, prod(size), x.shape[-1])


def test_a_training_can_use_the_order_that_an_inference_made() -> None:
    geometry: Any = ((3, 5, 7), (3, 5, 7), (1, 1, 1))
    x = torch.randn(1, 3, 5, 7, 2)
    with torch.inference_mode():
        to_windows(x, *geometry[1:])
    x.requires_grad_()
    to_windows(x, *geometry[1:]).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones_like(x))
