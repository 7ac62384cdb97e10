"""The only module that imports mmaction2 (1.2.0) and mmengine: a source of backbones.

mmaction2 has had no release since 2023. The first import here fixes what breaks with today's torch
and numpy, and touches nothing else of the program. See
`docs/decisions/0003-mmaction2-as-a-source-of-backbones.md`.
"""

from __future__ import annotations

import importlib.metadata
import logging
import sys
import types
import warnings
from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import linear, pad, scaled_dot_product_attention
from torch.utils import checkpoint

from benchmark.models.attention import position_bias, window_attention
from benchmark.models.windows import from_windows, orders, to_windows

if TYPE_CHECKING:
    from torch import Tensor, nn

EXPANSION = 4
"""Output channels of a bottleneck block of its ResNets over the block's width."""


@cache
def mmaction_models() -> Any:
    """Import `mmaction.models`, with the fixes in place."""
    # mmaction2 imports the backport, which it needed before Python 3.8.
    sys.modules.setdefault("importlib_metadata", importlib.metadata)
    if not hasattr(np, "Inf"):  # removed in numpy 2, used by mmaction's pose transforms
        setattr(np, "Inf", np.inf)  # noqa: B010 - a type checker knows that numpy 2 has none
    # The published wheel lacks this subpackage and imports it (open-mmlab/mmaction2#2714).
    package = types.ModuleType("mmaction.models.localizers.drn")
    package.__path__ = []
    module = types.ModuleType("mmaction.models.localizers.drn.drn")
    setattr(module, "DRN", type("DRN", (), {}))  # noqa: B010
    sys.modules[package.__name__], sys.modules[module.__name__] = package, module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mmcv-lite warns at each import that it has no ops
        import mmaction.utils.dependency as dependency

        dependency.WITH_MULTIMODAL = False  # would import parts of transformers that are gone
        import mmaction.engine.model  # noqa: F401 - registers how AAGCN draws its weights
        import mmaction.models as models
        from mmengine.logging import MMLogger
    # Its Swin calls meshgrid in the old way, of which torch warns in the middle of a training.
    warnings.filterwarnings("ignore", message=r"torch\.meshgrid", category=UserWarning)
    MMLogger.get_current_instance().setLevel(logging.ERROR)  # it would list every tensor it fills
    _fix_checkpoints(models.backbones)
    return models


def _fix_checkpoints(backbones: types.ModuleType) -> None:
    # torch asks every caller of `checkpoint` to choose `use_reentrant`; mmaction2 does not.
    fixed = types.SimpleNamespace(checkpoint=partial(checkpoint.checkpoint, use_reentrant=False))
    for module in vars(backbones).values():
        for name in ("checkpoint", "cp"):
            if getattr(module, name, None) is checkpoint:
                setattr(module, name, fixed)


def build_backbone(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Build a backbone by its class, from scratch unless the arguments name a file of weights."""
    models = mmaction_models()
    from mmengine.registry import DefaultScope

    # Some classes, such as TimeSformer, build layers by name from the registry of this scope.
    with DefaultScope.overwrite_default_scope("mmaction"):
        backbone = getattr(models.backbones, name)(**arguments)
        if not getattr(backbone, "pretrained", None):
            for flag in ("pretrained2d", "clip_pretrained"):  # would look for weights even so
                if hasattr(backbone, flag):
                    setattr(backbone, flag, False)
        backbone.init_weights()
    speed_up_attention(backbone)
    return backbone


def forget_windows() -> None:
    """Drop what is kept of shifted windows: after a pass without values, it has none either."""
    mmaction_models()
    from mmaction.models.backbones import swin

    swin.compute_mask.cache_clear()
    orders.cache_clear()


def speed_up_attention(backbone: Any) -> None:
    """Give attention and its windows our forward pass; parameters, buffers and names stay."""
    faster = dict([window_attention_classes(), tube_attention_classes(), window_block_classes()])
    for module in backbone.modules():
        drop = getattr(module, "attn_drop", None)
        if type(module) in faster and not (drop and drop.p):
            # Changing the class keeps the built module, and so the draws of its weights.
            module.__class__ = faster[type(module)]


@cache
def window_attention_classes() -> tuple[Any, Any]:
    """Return mmaction2's class, and the same class with a faster forward pass."""
    mmaction_models()
    from mmaction.models.backbones.swin import WindowAttention3D

    class WindowAttention(WindowAttention3D):
        relative_position_index: Tensor

        def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
            windows, tokens, _ = x.shape
            qkv = self.qkv(x).view(windows, tokens, 3, self.num_heads, -1)
            # A view smaller than the window has fewer tokens; the index begins with theirs.
            index = self.relative_position_index[:tokens, :tokens]
            bias = position_bias(self.relative_position_bias_table, index)
            return self.proj_drop(self.proj(window_attention(qkv, bias, mask, self.scale)))

    return WindowAttention3D, WindowAttention


@cache
def window_block_classes() -> tuple[Any, Any]:
    """Return mmaction2's block of a Video Swin, and the same class with fewer copies of tokens."""
    mmaction_models()
    from mmaction.models.backbones.swin import SwinTransformerBlock3D, get_window_size

    class WindowBlock(SwinTransformerBlock3D):
        def forward_part1(self, x: Tensor, mask_matrix: Tensor) -> Tensor:
            depth, height, width = view = tuple(x.shape[1:4])
            sizes: Any = get_window_size(view, self.window_size, self.shift_size)
            size, shift = sizes
            # Without a shift its way is one copy too, and a compiler makes one of the two.
            if not any(shift) or torch.compiler.is_compiling():
                return super().forward_part1(x, mask_matrix)
            after = [-length % step for length, step in zip(view, size, strict=True)]
            x = self.norm1(x)
            # Padding by nothing copies too.
            if any(after):
                x = pad(x, (0, 0, 0, after[2], 0, after[1], 0, after[0]))
            mixed = self.attn(to_windows(x, size, shift), mask=mask_matrix)
            x = from_windows(mixed, tuple(x.shape[1:4]), size, shift)
            return x[:, :depth, :height, :width]

    return SwinTransformerBlock3D, WindowBlock


@cache
def tube_attention_classes() -> tuple[Any, Any]:
    """Return the attention of VisionTransformer, and the same class with a faster forward pass.

    The plain one keeps a matrix of tokens x tokens per head for the backward pass: 1568 x 1568 at
    16 frames of 224 pixels.
    """
    mmaction_models()
    from mmaction.models.backbones.vit_mae import Attention

    class TubeAttention(Attention):
        def forward(self, x: Tensor) -> Tensor:
            bias = torch.cat((self.q_bias, torch.zeros_like(self.v_bias), self.v_bias))
            qkv = linear(x, self.qkv.weight, bias).unflatten(2, (3, self.num_heads, -1))
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            mixed = scaled_dot_product_attention(q, k, v, scale=self.scale)
            return self.proj_drop(self.proj(mixed.transpose(1, 2).flatten(2)))

    return Attention, TubeAttention


def vision_block(embed_dims: int, num_heads: int) -> nn.Module:
    """Build one block of VisionTransformer, as it comes from its class."""
    mmaction_models()
    from mmaction.models.backbones.vit_mae import Block

    block = Block(embed_dims, num_heads)
    speed_up_attention(block)
    return block
