"""`<name>.fused.json`: what probabilities that `mgbench fuse` wrote are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from benchmark.core.files import write_text
from benchmark.core.pinned_file import Sha256, sha256
from benchmark.core.schema import Share, Strict, read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class FusedNote(Strict):
    """Format `fused/1`."""

    format: Literal["fused/1"]
    result: Sha256
    """Of the probabilities that it tells of: of others in their place it says nothing."""
    weights: dict[str, Share]
    """Member, as its file was called -> weight; they sum to 1."""
    members: dict[str, Sha256]
    """Member -> hash of its file."""


def write_fused_note(result: Path, weights: Mapping[Path, float]) -> Path:
    """Note beside `result` the files and weights (of any sum) that it is the mean of."""
    total = sum(weights.values())
    note = FusedNote(
        format="fused/1",
        result=sha256(result),
        weights={str(file): weight / total for file, weight in weights.items()},
        members={str(file): sha256(file) for file in weights},
    )
    write_text(_beside(result), note.model_dump_json(indent=1) + "\n")
    return _beside(result)


def fused_note(result: Path) -> FusedNote | None:
    """The note of probabilities, if they have one.

    Raises:
        FormatError: It breaks its schema.
    """
    if not _beside(result).is_file():
        return None
    do = "Fuse again, or remove it"
    note = read_json(_beside(result), FusedNote, what="the note of a fusion", do=do)
    return note if note.result == sha256(result) else None


def _beside(result: Path) -> Path:
    return result.with_suffix(".fused.json")
