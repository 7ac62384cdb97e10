"""OpenPose sheets: the only module that imports calamine."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import numpy as np

from benchmark.core.errors import ArchiveError
from benchmark.core.isolated import isolated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

NUM_POINTS = 137
"""OpenPose: body 25, face 70, hands 2 x 21."""
MAX_TEXTS = 2**26
"""Bytes, unpacked, of anything in a sheet but its numbers."""
_LARGE = "Delete cells far from the others and texts, which a sheet of keypoints does not need"


def read_openpose(path: Path) -> NDArray[np.float32]:
    """Read the keypoints of one video: float32 (frames, 137, 3) of x px, y px, confidence 0..1.

    Raises:
        ArchiveError: The file is no sheet or has not 411 columns, or a cell is no number.
    """
    # Calamine ends its process on a cell far from the others: it asks for all cells in between.
    return isolated(_read, path, error=ArchiveError, do=_LARGE)


def _read(path: Path) -> NDArray[np.float32]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        _check_texts(path)
        # One error is enough: calamine wraps a broken zip and a missing sheet in its own.
        rows = (
            CalamineWorkbook.from_path(str(path))
            .get_sheet_by_index(0)
            .to_python(skip_empty_area=False)  # row k is frame k: blank rows must stay
        )
    except (CalamineError, zipfile.BadZipFile, NotImplementedError) as error:
        raise ArchiveError(path, f"not a readable xlsx ({error})") from None
    columns = 3 * NUM_POINTS
    width = len(rows[0]) if rows else 0
    if width != columns:
        expected = f"{columns} columns (x, y, confidence of {NUM_POINTS} points)"
        raise ArchiveError(path, "wrong width", expected=expected, found=f"{width} columns")
    try:
        values = np.array(rows, np.float64)
    except (ValueError, TypeError):
        raise ArchiveError(path, *_first_text_cell(rows)) from None
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ArchiveError(path, f"row {row + 1}, column {column + 1} is not finite")
    return values.astype(np.float32).reshape(len(rows), NUM_POINTS, 3)


def _check_texts(path: Path) -> None:
    # Calamine reads the list of all texts first, at three times its size.
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.file_size > MAX_TEXTS and "worksheets/" not in member.filename:
                raise ArchiveError(
                    path, f"{member.filename} in it is too large", do=_LARGE,
                    expected=f"at most {MAX_TEXTS} bytes", found=f"{member.file_size}",
                )  # fmt: skip


def _first_text_cell(rows: Sequence[Sequence[object]]) -> tuple[str]:
    for number, row in enumerate(rows, start=1):
        for column, cell in enumerate(row, start=1):
            if not isinstance(cell, int | float):
                return (f"row {number}, column {column} is no number; found {cell!r}",)
    return ("a cell is no number",)
