"""Text files that people write: UTF-8 as any editor saves it, and a message for all else."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from benchmark.core.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WHOLE = re.compile(r"-?[0-9]{1,9}")
"""A whole number of at most nine digits: `int` would also take "1_0" and Arabic digits."""


def read_text(path: Path) -> str:
    """Read the text of a UTF-8 file, with or without a byte order mark.

    Raises:
        ArchiveError: It is not UTF-8.
    """
    try:
        return path.read_text("utf-8-sig")  # Excel begins its files with a byte order mark
    except UnicodeDecodeError as error:
        raise ArchiveError(
            path, f"not UTF-8 at byte {error.start}", do="Save it as UTF-8"
        ) from None


def read_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each row of a csv with its place, "file line n"; empty lines are skipped.

    Raises:
        ArchiveError: A quote is not closed, or a cell goes over several lines.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    line = 0
    while True:
        where = f"{path} line {line + 1}"
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise ArchiveError(where, f"not csv ({error})", do="Close the quote") from None
        if row is None:
            return
        # A stray quote swallows the rows up to the next quote: they would be lost without a word.
        if reader.line_num != line + 1:
            raise ArchiveError(where, "a cell goes over several lines", do="Close the quote")
        line = reader.line_num
        if row:
            yield where, row


def whole_number(where: str, what: str, text: str) -> int:
    """Convert `text` to a whole number; `what` names the number in the message.

    Raises:
        ArchiveError: It is no whole number, or has more than nine digits.
    """
    if not WHOLE.fullmatch(text.strip()):
        raise ArchiveError(where, f"{what} is no whole number", found=repr(text[:40]))
    return int(text)
