"""Sheets of an Excel workbook. The only module that imports calamine."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core.errors import ArchiveError
from benchmark.core.foreign_file import DAMAGED_ZIP, what_is

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook

PART = 2**22
"""Bytes of a sheet that are searched at once."""
ROW = re.compile(rb'<row (?:[^>]* )?r="([0-9]+)"')
MAX_TEXTS = 2**26
"""Bytes, unpacked, of anything in a workbook but its cells."""


def read_sheet(path: Path, *, do: str) -> list[list[Any]]:
    """Read all cells of the first sheet; row k is row k of the sheet, blank rows too.

    Call it through `isolated`: calamine ends its process on a cell far from the others, since it
    asks for the memory of all cells in between.

    Raises:
        ArchiveError: The file is no workbook, or too large, where `do` says what helps.
    """
    with _opened(path, do) as book:
        return book.get_sheet_by_index(0).to_python(skip_empty_area=False)


def later_headers(path: Path, *, do: str) -> dict[str, list[Any]]:
    """Map the name of each sheet after the first to its first row; see `read_sheet`."""
    with _opened(path, do) as book:
        later = {name: book.get_sheet_by_name(name) for name in book.sheet_names[1:]}
        return {name: next(iter(sheet.to_python()), []) for name, sheet in later.items()}


@contextmanager
def _opened(path: Path, do: str) -> Iterator[CalamineWorkbook]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        _check_texts(path, do)
        # One error is enough: calamine wraps a broken zip and a missing sheet in its own.
        yield CalamineWorkbook.from_path(str(path))
    except (CalamineError, *DAMAGED_ZIP) as error:
        raise ArchiveError(path, "not a readable xlsx", found=what_is(path, error)) from None


def count_rows(path: Path) -> int | None:
    """Count the rows that `read_sheet` gives, by their tags and without reading a cell.

    None where the tags do not tell: several sheets, rows without numbers, a damaged file.
    """
    last, rest = 0, b""
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = (name for name in archive.namelist() if name.startswith("xl/worksheets/s"))
            with archive.open(name) as file:
                while len(rest) <= PART and (part := file.read(PART)):
                    text = rest + part
                    # Blank rows at the end do not count: the last value says which row is the last.
                    row = text.rfind(b"<row ", 0, max(text.rfind(b"<v>"), 0))
                    if row >= 0:
                        (number,) = ROW.findall(text[row : text.index(b">", row)])
                        last = int(number)
                    rest = text[max(text.rfind(b"<row "), 0) :]
    except (*DAMAGED_ZIP, ValueError, OSError, RuntimeError):
        return None
    return last if last and len(rest) <= PART else None


def _check_texts(path: Path, do: str) -> None:
    # Calamine reads the list of all texts first, at three times its size.
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.file_size > MAX_TEXTS and "worksheets/" not in member.filename:
                raise ArchiveError(
                    path, f"{member.filename} in it is too large", do=do,
                    expected=f"at most {MAX_TEXTS} bytes", found=f"{member.file_size}",
                )  # fmt: skip
