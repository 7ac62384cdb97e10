"""Other Swins' tensors -> mmaction2's: names, and 2-D shapes grown into 3-D ones."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from torch.nn.functional import interpolate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

PATCHES = "backbone.patch_embed.proj.weight"
TABLE = ".relative_position_bias_table"
REBUILT = (".relative_position_index", ".attn_mask")
"""Ends of the names of buffers that follow from the window: a network keeps its own."""


def from_2d(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A 2-D Swin of Microsoft or of timm under mmaction2's names, shapes as they are.

    What halves the map stands at the end of a stage with Microsoft, at the start of the next one
    with timm. The classifier is left out, and so are buffers that follow from the window.

    Source: Liu et al., Swin Transformer, ICCV 2021; timm 1.0.31, models/swin_transformer.py.
    """
    last = _last(r"layers\.(\d+)\.", tensors)
    shift = 0 if any(name.startswith("layers.0.downsample.") for name in tensors) else 1

    def named(name: str) -> str:
        if moved := re.fullmatch(r"layers\.(\d+)\.downsample\.(.+)", name):
            return f"backbone.layers.{int(moved[1]) - shift}.downsample.{moved[2]}"
        return "backbone." + re.sub(r"^norm\.", f"norm{last}.", name)

    kept = {name: x for name, x in tensors.items() if not name.startswith("head.")}
    return _renamed(kept, named)


def from_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A Video Swin of torchvision under mmaction2's names, its classifier too.

    Source: torchvision 0.29, models/video/swin_transformer.py.
    """
    last = _last(r"features\.(\d+)\.", tensors) // 2

    def named(name: str) -> str:
        if name.startswith("head."):
            return "cls_head.fc_cls." + name.removeprefix("head.")
        if found := re.fullmatch(r"features\.(\d+)\.(.+)", name):
            stage, halves = divmod(int(found[1]), 2)
            inside = found[2].replace(".mlp.0.", ".mlp.fc1.").replace(".mlp.3.", ".mlp.fc2.")
            return f"backbone.layers.{stage}.{'downsample' if halves else 'blocks'}.{inside}"
        return "backbone." + re.sub(r"^norm\.", f"norm{last}.", name)

    return _renamed(tensors, named)


def inflated(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of a 2-D Swin's tensors those that a 3-D one has in another shape, in that shape.

    Patches (D, C, h, w) -> (D, C, t, h, w): repeated over time and divided by t, so that a still
    clip gives what its frame gives. Tables of relative positions ((2h-1)(2w-1), heads) ->
    ((2t-1)(2h-1)(2w-1), heads): the same at every distance in time; bicubic where the window's
    h, w are others. Empty if one of the two networks is not what is said here; a tensor that
    fits neither way is left out.

    Source: Liu et al., Video Swin Transformer, CVPR 2022, section 3.3; mmaction2 1.2.0,
    SwinTransformer3D.inflate_weights.
    """
    own = model.state_dict()
    flat, deep = tensors.get(PATCHES), own.get(PATCHES)
    if flat is None or deep is None or flat.ndim != 4 or deep.ndim != 5:
        return {}
    grown = {PATCHES: flat.unsqueeze(2).repeat(1, 1, deep.shape[2], 1, 1) / deep.shape[2]}
    for name, x in tensors.items():
        if name.endswith(TABLE) and name in own:
            attention: Any = model.get_submodule(name.removesuffix(TABLE))
            if _is_square(x):
                grown[name] = _table(x, attention.window_size)
    return {name: x for name, x in grown.items() if x.shape == own[name].shape}


def _table(flat: Tensor, window: tuple[int, int, int]) -> Tensor:
    """((2h-1)(2w-1), heads) -> ((2t-1)(2h-1)(2w-1), heads) of a window (t, h, w)."""
    sides = [2 * length - 1 for length in window]
    rows, heads = flat.shape
    if rows != sides[1] * sides[2]:
        square = flat.T.reshape(1, heads, math.isqrt(rows), math.isqrt(rows)).float()
        flat = interpolate(square, size=sides[1:], mode="bicubic").reshape(heads, -1).T
    return flat.repeat(sides[0], 1)


def _is_square(table: Tensor) -> bool:
    return table.ndim == 2 and math.isqrt(len(table)) ** 2 == len(table) > 0


def _last(pattern: str, tensors: Mapping[str, Tensor]) -> int:
    """The highest number that names have in the pattern's place."""
    return max(int(found[1]) for name in tensors if (found := re.match(pattern, name)))


def _renamed(tensors: Mapping[str, Tensor], named: Callable[[str], str]) -> dict[str, Tensor]:
    """All but the buffers that a network keeps its own of."""
    return {named(name): x for name, x in tensors.items() if not name.endswith(REBUILT)}
