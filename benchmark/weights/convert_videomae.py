"""Tensors of VideoMAE networks -> our names: those of the authors' code, and of transformers.

Ours are mmaction2's for the encoder (`backbone.*`) and the authors' for the rest of a pre-training
network (`encoder_to_decoder`, `mask_token`, `decoder.*`).

Source: MCG-NJU/VideoMAE at 14ef8d8, modeling_pretrain.py and modeling_finetune.py; transformers
4.57 and 5.23, models/videomae; mmaction2 1.2.0, vit_mae.py (all read).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch

from benchmark.core.errors import FormatError

if TYPE_CHECKING:
    from torch import Tensor

AUTHORS = (
    (r"^head\.", "cls_head.fc_cls."),
    (r"^(?=(?:patch_embed|blocks|norm|fc_norm)\.)", "backbone."),
    (r"^encoder\.", "backbone."),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"\.mlp\.fc1\.", ".mlp.layers.0.0."),
    (r"\.mlp\.fc2\.", ".mlp.layers.1."),
)
"""Their names -> ours. Their fine-tuned networks have no `encoder.` before a name."""
PAIRS = (
    (r"backbone.patch_embed.projection.", "videomae.embeddings.patch_embeddings.projection."),
    (r"backbone.blocks.", "videomae.encoder.layer."),
    (r"backbone.norm.", "videomae.layernorm."),
    (r"backbone.fc_norm.", "fc_norm."),
    (r"cls_head.fc_cls.", "classifier."),
    (r"decoder.blocks.", "decoder.decoder_layers."),
)
"""Beginnings of our names, and of those of transformers."""
BLOCK = (
    ("norm1.", "layernorm_before."),
    ("norm2.", "layernorm_after."),
    ("attn.proj.", "attention.output.dense."),
    ("mlp.layers.0.0.", "intermediate.dense."),
    ("mlp.layers.1.", "output.dense."),
)
"""The same within a block."""
THEIRS = re.compile(
    r"(.*\.(?:layer|decoder_layers)\.\d+\.)attention\.attention\."
    r"(?:(query|key|value)\.(weight|bias)|([qv])_bias)"
)
PARTS = ("query", "key", "value")


def from_authors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a pre-trained or fine-tuned network of VideoMAE's authors; shapes stay."""
    renamed = {}
    for name, x in tensors.items():
        for pattern, text in AUTHORS:
            name = re.sub(pattern, text, name)
        renamed[name] = x
    return renamed


def from_transformers(tensors: Mapping[str, Tensor], *, where: object) -> dict[str, Tensor]:
    """Rename a network of transformers, its query, key and value joined in one matrix.

    Published files have `q_bias` and `v_bias`, files that transformers 5 wrote `query.bias` and
    `value.bias`. A missing one leaves the joined tensor out, so that `fill` refuses the file.

    Raises:
        FormatError: A key has a bias that is not 0, which VideoMAE does not have.
    """
    attention: dict[str, dict[str, Tensor]] = {}
    renamed = {}
    for name, x in tensors.items():
        if match := THEIRS.fullmatch(name):
            block, part, kind, short = match.groups()
            part = part or {"q": "query", "v": "value"}[short]
            attention.setdefault(rename(block), {})[f"{part}.{kind or 'bias'}"] = x
        else:
            renamed[rename(name)] = x
    for block, parts in attention.items():
        if (bias := parts.pop("key.bias", None)) is not None and bias.any():
            wrong = f"the keys of {block.removesuffix('.')} have a bias"
            raise FormatError(where, wrong, expected="none, or zeros", do="No VideoMAE has one")
        for ours, theirs in (("q_bias", "query.bias"), ("v_bias", "value.bias")):
            if theirs in parts:
                renamed[f"{block}attn.{ours}"] = parts[theirs]
        if all(f"{part}.weight" in parts for part in PARTS):
            joined = torch.cat([parts[f"{part}.weight"] for part in PARTS])
            renamed[f"{block}attn.qkv.weight"] = joined
    return renamed


def rename(name: str, *, back: bool = False) -> str:
    """Rename by `PAIRS` and, within a block, by `BLOCK`: theirs -> ours, or `back`."""
    start, rest = _swap(name, PAIRS, back=back)
    number, dot, inside = rest.partition(".")
    if start and dot and number.isdecimal():
        rest = number + dot + "".join(_swap(inside, BLOCK, back=back))
    return start + rest


def _swap(name: str, pairs: Iterable[tuple[str, str]], *, back: bool) -> tuple[str, str]:
    """Return the other program's beginning of a name, and the rest; "" where no pair begins it."""
    for ours, theirs in pairs:
        old, new = (ours, theirs) if back else (theirs, ours)
        if name.startswith(old):
            return new, name.removeprefix(old)
    return "", name
