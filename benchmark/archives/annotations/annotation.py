"""One annotated gesture, whatever program wrote it down, and the columns that tell it."""

from __future__ import annotations

import re
from typing import NamedTuple

from benchmark.core.errors import ArchiveError


class Annotation(NamedTuple):
    """A gesture in a video; None where the annotation does not say."""

    where: str
    """File and line, for messages."""
    video: str
    """Path or name of the video, as the annotation calls it."""
    label: str
    start_s: float | None = None
    end_s: float | None = None
    start_frame: int | None = None
    end_frame: int | None = None
    """The frame after the last one."""
    subject: str | None = None
    split: str | None = None


def seconds(where: str, text: str) -> float | None:
    """Read a time: 12.5, 12,5, 0:12.5 or 1:00:12.5; None where the cell is empty.

    Raises:
        ArchiveError: It is no time.
    """
    text = text.strip()
    if not text:
        return None
    parts = text.replace(",", ".").split(":")
    if len(parts) > 3 or not all(re.fullmatch(r"[0-9]+(\.[0-9]*)?", part) for part in parts):
        expected = "seconds as 12.5, or 1:00:12.5"
        raise ArchiveError(where, "no time", expected=expected, found=repr(text[:40]))
    total = 0.0
    for part in parts:
        total = 60 * total + float(part)
    return total
