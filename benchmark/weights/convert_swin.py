"""Tensors of other Swins -> mmaction2's: renamed, and 2-D shapes inflated to 3-D ones."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch.nn.functional import interpolate

if TYPE_CHECKING:
    from torch import Tensor, nn

PATCHES = "backbone.patch_embed.proj.weight"
TABLE = ".relative_position_bias_table"
REBUILT = (".relative_position_index", ".attn_mask")
"""Ends of the names of buffers that the window determines: a network keeps its own."""


def from_2d(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a 2-D Swin of Microsoft or of timm to mmaction2's names; shapes stay.

    The classifier is left out, because it is of images, and so are buffers that the window
    determines.

    Source: Liu et al., Swin Transformer, ICCV 2021; timm 1.0.31, models/swin_transformer.py.
    """
    last = _last(r"layers\.(\d+)\.", tensors)
    # Microsoft halves the map at the end of a stage, as mmaction2 does; timm at the start of the
    # next stage, and so its first stage has no `downsample`.
    shift = 0 if any(name.startswith("layers.0.downsample.") for name in tensors) else 1

    def named(name: str) -> str:
        if moved := re.fullmatch(r"layers\.(\d+)\.downsample\.(.+)", name):
            return f"backbone.layers.{int(moved[1]) - shift}.downsample.{moved[2]}"
        return "backbone." + re.sub(r"^norm\.", f"norm{last}.", name)

    kept = {name: x for name, x in tensors.items() if not name.startswith("head.")}
    return _renamed(kept, named)


def from_torchvision(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a Video Swin of torchvision to mmaction2's names, with its classifier.

    Source: torchvision 0.29, models/video/swin_transformer.py.
    """
    # torchvision numbers stages and what halves the map in one list: blocks are even, halvings odd.
    last = _last(r"features\.(\d+)\.", tensors) // 2

    def named(name: str) -> str:
        if name.startswith("head."):
            return "cls_head.fc_cls." + name.removeprefix("head.")
        if match := re.fullmatch(r"features\.(\d+)\.(.+)", name):
            stage, halves = divmod(int(match[1]), 2)
            # Its MLP is a Sequential: linear, GELU, dropout, linear.
            inside = match[2].replace(".mlp.0.", ".mlp.fc1.").replace(".mlp.3.", ".mlp.fc2.")
            return f"backbone.layers.{stage}.{'downsample' if halves else 'blocks'}.{inside}"
        return "backbone." + re.sub(r"^norm\.", f"norm{last}.", name)

    return _renamed(tensors, named)


def inflate(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give a 2-D Swin's tensors the shapes that they have in a 3-D one; return those that change.

    Patches (D, C, h, w) become (D, C, t, h, w), and tables of relative positions
    ((2h-1)(2w-1), heads) become ((2t-1)(2h-1)(2w-1), heads). Returns nothing if `tensors` are not
    2-D or `model` is not 3-D, and leaves out a tensor that does not fit even so.

    Source: Liu et al., Video Swin Transformer, CVPR 2022, section 3.3; mmaction2 1.2.0,
    SwinTransformer3D.inflate_weights.
    """
    network = model.state_dict()
    flat, deep = tensors.get(PATCHES), network.get(PATCHES)
    if flat is None or deep is None or flat.ndim != 4 or deep.ndim != 5:
        return {}
    # Repeated over time and divided by t: a still clip gives what its frame gave.
    inflated = {PATCHES: flat.unsqueeze(2).repeat(1, 1, deep.shape[2], 1, 1) / deep.shape[2]}
    for name, x in tensors.items():
        if name.endswith(TABLE) and name in network:
            attention: Any = model.get_submodule(name.removesuffix(TABLE))
            if x.ndim == 2 and math.isqrt(len(x)) ** 2 == len(x) > 0:
                inflated[name] = _table(x, attention.window_size)
    return {name: x for name, x in inflated.items() if x.shape == network[name].shape}


def _table(flat: Tensor, window: tuple[int, int, int]) -> Tensor:
    """Expand a table ((2h-1)(2w-1), heads) to ((2t-1)(2h-1)(2w-1), heads) of a window (t, h, w)."""
    sides = [2 * length - 1 for length in window]
    rows, heads = flat.shape
    if rows != sides[1] * sides[2]:
        # A table of another window is a small square picture per head: resized like one.
        square = flat.T.reshape(1, heads, math.isqrt(rows), math.isqrt(rows)).float()
        flat = interpolate(square, size=sides[1:], mode="bicubic").reshape(heads, -1).T
    # The same bias at every distance in time: attention starts out blind to the order of frames.
    return flat.repeat(sides[0], 1)


def _last(pattern: str, tensors: Mapping[str, Tensor]) -> int:
    """Return the highest number that the pattern's group matches in any name."""
    return max(int(match[1]) for name in tensors if (match := re.match(pattern, name)))


def _renamed(tensors: Mapping[str, Tensor], named: Callable[[str], str]) -> dict[str, Tensor]:
    return {named(name): x for name, x in tensors.items() if not name.endswith(REBUILT)}
