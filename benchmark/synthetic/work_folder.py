"""Work folder in which an archive grows, beside the place that it takes when it is whole.

A fingerprint of the spec and of this package's code is kept in it, so that a resumed run takes over
no file of another spec or of older code.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.core.errors import ArchiveError
from benchmark.core.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)


def refuse_existing(raw: Path) -> None:
    """Refuse to write where something exists; remove an empty folder.

    Raises:
        ArchiveError: There is something at `raw` already.
    """
    if not raw.exists():
        return
    if not raw.is_dir() or any(raw.iterdir()):
        raise ArchiveError(
            raw, "exists already, and the generator overwrites nothing",
            expected="no such folder", found=str(raw.resolve()),
            do="Remove it if it is not needed, or generate into another folder",
        )  # fmt: skip
    raw.rmdir()


def claim_work(raw: Path, wanted: Mapping[str, object]) -> Path:
    """Return the work folder of `raw`, emptied unless it was made for `wanted` by this code."""
    # Beside `raw`, so on the same file system: the final rename cannot stop halfway.
    work = raw.with_name(f".{raw.name}.work")
    marker = work / "fingerprint.json"
    fingerprint = {**wanted, "code": _code()}
    # As text: a marker that a power cut left empty is another one, like any.
    text = json.dumps(fingerprint, indent=1)
    if marker.exists() and marker.read_bytes() == text.encode():
        return work
    if work.exists():
        log.info("synthesize: clear %s, which is damaged, or of another spec or older code", work)
        shutil.rmtree(work)
    work.mkdir(parents=True)
    write_text(marker, text)
    return work


def _code() -> str:
    """Hash this package's sources and assets."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted([*here.rglob("*.py"), *(here / "assets").iterdir()]):
        digest.update(path.relative_to(here).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
