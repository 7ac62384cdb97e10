"""Files known by their content: weights that the user pins by hash, and data of a training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import StringConstraints

from benchmark.core.errors import ArchiveError
from benchmark.core.files import write_text
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
    """`mgbench weights pin` writes it."""


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
            "Fetch it again, or pin this one with 'mgbench weights pin'",
        )  # fmt: skip
    return path


def sha256(path: Path) -> str:
    """Compute the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_hashes(files: Sequence[Path], cache: Path) -> list[str]:
    """Return the SHA-256 of each file; read only what is new or changed since the last call.

    `cache` is a JSON file of hashes by name, size, time and inode. A file that was copied or
    touched is read again and has the same hash.
    """
    known: dict[str, str] = {}
    with suppress(FileNotFoundError, ValueError, TypeError):
        known = dict(json.loads(cache.read_text("utf-8")))
    states = [(path.resolve(), path.stat()) for path in files]
    stamps = [f"{path} {s.st_size} {s.st_mtime_ns} {s.st_ino}" for path, s in states]
    new = {stamp: path for stamp, path in zip(stamps, files, strict=True) if stamp not in known}
    if new:
        with ThreadPoolExecutor() as pool:
            known |= zip(new, pool.map(sha256, new.values()), strict=True)
        write_text(cache, json.dumps(known))
    return [known[stamp] for stamp in stamps]
