"""Files of weights that the user brings: named by path, pinned by hash, checked before use."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import StringConstraints

from benchmark.core.errors import ArchiveError
from benchmark.core.schema import Strict

CHUNK = 2**22


Sha256: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""As `sha256` writes it."""


class WeightsFile(Strict):
    """A published file of weights.

    The hash makes the file part of the knobs: another file is another result, and DVC sees it.
    """

    path: str
    """Where it lies, seen from the project's folder."""
    sha256: Sha256
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
