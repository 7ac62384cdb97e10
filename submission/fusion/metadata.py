"""`<name>.fused.json`: the origin of probabilities that `mgbench fuse` wrote."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from benchmark.core.files import write_text
from benchmark.core.pinned_file import Sha256, sha256
from benchmark.core.schema import Share, Strict, read_json
from submission.fusion.rules.rule import shares
from submission.fusion.rules.union import FusionRule


class FusionMetadata(Strict):
    """Format `fused/2`."""

    format: Literal["fused/2"]
    result: Sha256
    """Hash of the fused probabilities; the metadata describe no other file of that name."""
    weights: dict[str, Share]
    """Member, by the path of its file -> weight; they sum to 1."""
    rule: FusionRule | None
    """The rule that fitted the weights; null where the user gave them."""
    members: dict[str, Sha256]
    """Member -> hash of its file."""


def write_fusion_metadata(
    result: Path, weights: Mapping[Path, float], rule: FusionRule | None = None
) -> Path:
    """Write beside `result` which files it fuses; return the path of the metadata.

    `weights` may sum to anything; `rule` has fitted them, if any has.
    """
    scaled = shares(np.array([*weights.values()], np.float64)).tolist()
    metadata = FusionMetadata(
        format="fused/2", result=sha256(result), rule=rule,
        weights={str(file): share for file, share in zip(weights, scaled, strict=True)},
        members={str(file): sha256(file) for file in weights},
    )  # fmt: skip
    write_text(_beside(result), metadata.model_dump_json(indent=1) + "\n")
    return _beside(result)


def read_fusion_metadata(result: Path) -> FusionMetadata | None:
    """Read the metadata beside probabilities; None where none describe exactly this file.

    Raises:
        FormatError: The metadata break their schema.
    """
    if not _beside(result).is_file():
        return None
    do = "Fuse again, or remove it"
    metadata = read_json(_beside(result), FusionMetadata, what="the metadata of a fusion", do=do)
    # Since then another program may have written other probabilities to this path.
    return metadata if metadata.result == sha256(result) else None


def _beside(result: Path) -> Path:
    return result.with_suffix(".fused.json")
