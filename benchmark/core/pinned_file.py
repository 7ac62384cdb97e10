"""Files of weights that the user provides: named by path, pinned by hash, checked before use."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import StringConstraints

from benchmark.core.errors import ArchiveError
from benchmark.core.foreign_file import stand_in
from benchmark.core.schema import Strict

Sha256: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""64 hexadecimal digits, as `sha256` writes them."""


class WeightsFile(Strict, frozen=True):  # pyright: ignore[reportGeneralTypeIssues] - hashable
    """A published file of weights.

    The hash makes the file part of the parameters: another file is another result, and DVC sees it.
    """

    path: str
    """Where the file lies, relative to the project's folder."""
    sha256: Sha256
    """`mgbench weights check` prints it."""


def verified(weights: WeightsFile, *, expected: str) -> Path:
    """Check the hash of a file and return its path; `expected` describes the file in words.

    Raises:
        ArchiveError: The file is missing, or its bytes differ.
    """
    path = Path(weights.path)
    if not path.is_file():
        raise ArchiveError(path, "no such weights", expected=expected, do="See docs/weights.md")
    found = sha256(path)
    if found != weights.sha256:
        instead = stand_in(path)
        raise ArchiveError(
            path, "not the file whose hash is in params.yaml", expected=weights.sha256,
            found=instead or found, do="Fetch the file itself" if instead else
            "Fetch it again, or pin this one: 'mgbench weights check' prints its hash",
        )  # fmt: skip
    return path


def sha256(path: Path) -> str:
    """Compute the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
