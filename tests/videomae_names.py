"""Our names of tensors -> those of other programs: the inverse of `convert_videomae`."""

from __future__ import annotations

import re

from torch import Tensor

from benchmark.weights.convert_videomae import PARTS, rename

AUTHORS = (
    (r"^backbone\.patch_embed\.projection\.", "encoder.patch_embed.proj."),
    (r"^backbone\.fc_norm\.", "fc_norm."),
    (r"^backbone\.", "encoder."),
    (r"^cls_head\.fc_cls\.", "head."),
    (r"\.mlp\.layers\.0\.0\.", ".mlp.fc1."),
    (r"\.mlp\.layers\.1\.", ".mlp.fc2."),
)  # fmt: skip
"""Our names -> those of the authors' pre-training network."""
OURS = re.compile(r"((?:backbone|decoder)\.blocks\.\d+\.)attn\.(qkv\.weight|q_bias|v_bias)")


def to_authors(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename our tensors to the authors' names; shapes stay."""
    renamed = {}
    for name, x in tensors.items():
        for pattern, text in AUTHORS:
            name = re.sub(pattern, text, name)
        renamed[name] = x
    return renamed


def to_transformers(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename our tensors to the names of transformers 5."""
    renamed = {}
    for name, x in tensors.items():
        match = OURS.fullmatch(name)
        if not match:
            renamed[rename(name, back=True)] = x
            continue
        start = rename(match[1], back=True) + "attention.attention."
        if match[2] == "qkv.weight":
            for part, weight in zip(PARTS, x.chunk(3), strict=True):
                renamed[f"{start}{part}.weight"] = weight
        else:
            renamed[f"{start}{'query' if match[2] == 'q_bias' else 'value'}.bias"] = x
    return renamed
