"""The work folder in which an archive grows, beside the place that it takes when it is whole.

A fingerprint of what was asked for and of this package keeps files of another spec, or of older
code, from being taken over.
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
    """Take away an empty folder.

    Raises:
        ArchiveError: There is something at `raw` already.
    """
    if not raw.exists():
        return
    if not raw.is_dir() or any(raw.iterdir()):
        raise ArchiveError(
            raw, "there is something already, and a generator overwrites nothing",
            expected="no such folder", found=str(raw.resolve()),
            do="Remove it if it is not needed, or give mimic another folder",
        )  # fmt: skip
    raw.rmdir()


def claim_work(raw: Path, wanted: Mapping[str, object]) -> Path:
    """The work folder of `raw`, marked as made for `wanted` and by this code, else emptied."""
    work = raw.with_name(f".{raw.name}.work")
    marker = work / "fingerprint.json"
    mine = {**wanted, "code": _code()}
    if marker.exists() and json.loads(marker.read_text()) == mine:
        return work
    if work.exists():
        log.info("mimic: unfinished videos of another spec are cleared from %s", work)
        shutil.rmtree(work)
    work.mkdir(parents=True)
    write_text(marker, json.dumps(mine, indent=1))
    return work


def _code() -> str:
    """Fingerprint of this package's sources and assets."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted([*here.rglob("*.py"), *(here / "assets").iterdir()]):
        digest.update(path.relative_to(here).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
