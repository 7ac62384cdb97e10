"""Files of weights that the user brings: named by path, pinned by hash, checked before use."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import StringConstraints

from benchmark.errors import ArchiveError
from benchmark.schema import Strict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

CHUNK = 2**22


class WeightsFile(Strict):
    """A published file of weights.

    The hash makes the file part of the knobs: another file is another result, and DVC sees it.
    """

    path: str
    """Where it lies, seen from the project's folder."""
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    """`mgbench weights check` prints it."""


def verified(weights: WeightsFile, *, expected: str) -> Path:
    """The path of a file whose hash is right; `expected` says in words which file that is.

    Raises:
        ArchiveError: The file is missing, or its bytes are others.
    """
    path = Path(weights.path)
    if not path.is_file():
        raise ArchiveError(path, "no such weights", expected=expected, do="See docs/weights.md")
    found = sha256(path)
    if found != weights.sha256:
        raise ArchiveError(
            path, "not the file whose hash is in params.yaml", expected=weights.sha256, found=found,
            do="Fetch it again, or pin this one: 'mgbench weights check' prints its hash",
        )  # fmt: skip
    return path


def sha256(path: Path) -> str:
    """Of the file's bytes, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def tensor_faults(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What keeps tensors from being a network's, in words; empty if nothing does.

    Missing ones, ones left over, of another shape, and numbers that are not finite.
    """
    faults = {
        "missing": [name for name in wanted if name not in found],
        "unexpected": [name for name in found if name not in wanted],
        "of another shape": [
            f"{name} {tuple(found[name].shape)} for {tuple(x.shape)}"
            for name, x in wanted.items()
            if name in found and found[name].shape != x.shape
        ],
        "not finite": [name for name, x in found.items() if not x.isfinite().all()],
    }
    said = [f"{len(names)} {kind}, first {names[0]}" for kind, names in faults.items() if names]
    return "; ".join(said)
