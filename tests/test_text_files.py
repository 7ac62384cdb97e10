"""Text and csv that people and other programs write."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from benchmark.core.errors import ArchiveError
from benchmark.core.text_files import read_rows, read_text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("clip_id;label\na;1\n", "semicolons"),
        ("a;0,5;0,5\n", "semicolons"),
        ("\ufeffclip_id\tlabel\r\n", "tabs"),
    ],
)
def test_cells_that_no_commas_separate_are_named(text: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text, "utf-8")
    with pytest.raises(ArchiveError, match=f"line 1: cells are not .* by commas; found {found}"):
        list(read_rows(tmp_path / "x.csv"))


@pytest.mark.parametrize("text", ["a,b;c\n", '"a;b",c\n', "a\nb;c\n", "", "\n;\n"])
def test_semicolons_and_tabs_inside_cells_stay(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text, "utf-8")
    cells = [cell for _, row in read_rows(tmp_path / "x.csv") for cell in row]
    assert sum(cell.count(";") for cell in cells) == text.count(";")


def test_rows_of_empty_cells_are_none(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n,\n\nc,\n , \n,,\n", "utf-8")
    rows = [(where[-6:], row) for where, row in read_rows(tmp_path / "x.csv")]
    assert rows == [("line 1", ["a", "b"]), ("line 4", ["c", ""])]


def test_a_sheet_of_excel_with_another_ending_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.csv", "w", zipfile.ZIP_DEFLATED) as sheet:
        sheet.writestr("xl/workbook.xml", "<workbook>" * 50 + "\u00e9\u0434")
    with pytest.raises(ArchiveError, match="not text; found an Excel sheet"):
        read_text(tmp_path / "x.csv")
