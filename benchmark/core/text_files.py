"""Text files that people and other programs write: UTF-8 as any editor saves it, or a message."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from benchmark.core.errors import ArchiveError
from benchmark.core.foreign_file import stand_in, what_is

_WHOLE = re.compile(r"(-?[0-9]{1,9})(\.0*)?")
# Of at most nine digits: `int` would also take "1_0" and Arabic digits. pandas writes whole numbers
# as 10.0 once another cell of the column is empty.
OTHER_SEPARATOR = re.compile(r"[^\",;\t\r\n]*([;\t])")
"""Begins a csv whose first cell no comma ends: a spreadsheet's, in countries of decimal commas."""
CLOSE_QUOTE = "Close the quote, and write the cell in one line"
WIDE = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-16, which spreadsheets call Unicode text."""


def read_text(path: Path) -> str:
    """Read the text of a UTF-8 file, with or without a byte order mark.

    Raises:
        ArchiveError: It is missing, not UTF-8, or a page or pointer that lies instead of the file.
    """
    save = "Save it as UTF-8"
    if path.is_file() and path.stat().st_size and (instead := stand_in(path)):
        raise ArchiveError(path, "not the text itself", found=instead, do="Fetch the file itself")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ArchiveError(path, "no such file") from None
    if data.startswith(WIDE):
        raise ArchiveError(path, "UTF-16", expected="UTF-8", do=save)
    try:
        # Excel begins its files with a byte order mark.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if known := what_is(path):
            raise ArchiveError(path, "not text", found=known, do="Save it as text") from None
        line = data[: error.start].count(b"\n") + 1
        raise ArchiveError(f"{path} line {line}", "not UTF-8", do=save) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ArchiveError(f"{path} line {line}", "a zero byte, so this is no text", do=save)
    return text


def read_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each row of a csv with its place, "file line n", but for rows of empty cells.

    Spreadsheets leave such rows below their last one.

    Raises:
        ArchiveError: No commas stand between the cells, a quote is not closed, or a cell goes over
            several lines.
    """
    text = read_text(path)
    if match := OTHER_SEPARATOR.match(text):
        raise ArchiveError(
            f"{path} line 1", "cells are not separated by commas",
            found="semicolons" if match[1] == ";" else "tabs",
            do="Save it with commas between cells, and with points in numbers",
        )  # fmt: skip
    for where, lines, row in split_rows(path, text):
        # A stray quote swallows the rows up to the next quote: they would be lost without a word.
        if lines > 1:
            raise ArchiveError(where, "a cell goes over several lines", do=CLOSE_QUOTE)
        if any(cell.strip() for cell in row):
            yield where, row


def split_rows(
    path: Path, text: str, separator: str = ",", *, strip: bool = False
) -> Iterator[tuple[str, int, list[str]]]:
    """Yield each row of a csv: its place, its number of lines, its cells.

    Args:
        path: Names the file in places.
        text: What it holds.
        separator: Between cells, one character.
        strip: Whether spaces after a separator are left out.

    Raises:
        ArchiveError: A quote is not closed.
    """
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=strip, strict=True)
    while True:
        before = reader.line_num
        where = f"{path} line {before + 1}"
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise ArchiveError(where, f"not csv ({error})", do=CLOSE_QUOTE) from None
        if row is None:
            return
        yield where, reader.line_num - before, row


def whole(text: str) -> int | None:
    """Convert `text` to a whole number; None if it is none, or has more than nine digits."""
    match = _WHOLE.fullmatch(text.strip())
    return int(match[1]) if match else None


def whole_number(where: str, what: str, text: str) -> int:
    """Convert `text` to a whole number; `what` names the number in the message.

    Raises:
        ArchiveError: It is no whole number, or has more than nine digits.
    """
    if (number := whole(text)) is None:
        raise ArchiveError(where, f"{what} is no whole number", found=repr(text[:40]))
    return number


def once_each(places: dict[str, str], name: str, where: str, *, what: str = "clip") -> None:
    """Note that `name` stands at `where`; a second place of one name is refused, naming both.

    Args:
        places: Name -> where it stands; `name` is added.
        name: A clip, a column, a file.
        where: File and line, for the message.
        what: What `name` names.

    Raises:
        ArchiveError: It stands in `places` already.
    """
    if (first := places.setdefault(name, where)) != where:
        raise ArchiveError(where, f"{what} {name} comes twice", found=f"also {first}")
