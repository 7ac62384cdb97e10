"""Whether a leaderboard would take a file: every fault at once, each with how to mend it."""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

from benchmark.core.errors import SubmissionError, one_per_line
from submission.leaderboard.id_checks import id_faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmark.challenges.challenge import Column, Form
    from benchmark.editions.edition import Edition

INTEGER = re.compile(r"0|[1-9][0-9]*")
"""A label as the leaderboard reads it: ASCII digits, no sign, no leading zero."""
LARGEST = 64 * 2**20
"""Bytes of a CSV: a hundred times what the largest challenge needs."""
BOM = b"\xef\xbb\xbf"
WIDE = (b"\xff\xfe", b"\xfe\xff")
"""How UTF-16 begins, which spreadsheets call Unicode text."""


class Row(NamedTuple):
    """A line of the file; `number` counts from 1."""

    number: int
    cells: list[str]


def check_submission(path: Path, ids: Sequence[str], form: Form, edition: Edition) -> None:
    """Raise `SubmissionError` unless the leaderboard would take `path`, a CSV or the zip of one.

    `ids` are our ids of the clips that it asks for, in its order.

    Raises:
        SubmissionError: Every fault, a line each: where, what is wrong, how to mend it.
    """
    faults = list(_faults_of_file(path, ids, form, edition))
    if faults:
        raise SubmissionError(path, one_per_line(faults))


def _faults_of_file(
    path: Path, ids: Sequence[str], form: Form, edition: Edition
) -> Iterator[SubmissionError]:
    faults, data = bytes_of(path, form)
    yield from faults
    if data is not None:
        name = f"{path.name}/{form.file}" if path.suffix == ".zip" else path.name
        yield from faults_of_csv(name, data, ids, form, edition)


def bytes_of(path: Path, form: Form | None) -> tuple[list[SubmissionError], bytes | None]:
    """What is wrong with a file as such, and the bytes of its CSV if they can be had.

    Without a form, a zip is right if it holds one CSV.
    """
    if not path.is_file():
        missing = SubmissionError(path, "no such file", do="Write it with 'mgbench submit write'")
        return [missing], None
    if path.stat().st_size > LARGEST:
        large = SubmissionError(path.name, "far too large", expected=f"at most {LARGEST} bytes")
        return [large], None
    if path.suffix != ".zip":
        return [], path.read_bytes()
    return _unpacked(path, form)


def _unpacked(path: Path, form: Form | None) -> tuple[list[SubmissionError], bytes | None]:
    """What is wrong with a zip, and its CSV if that can be had."""
    file, packed = (form.file, form.zip) if form else ("the CSV", path.name)
    again = f"Zip {file} alone, without its folder: zip -j {packed} {file}"
    faults: list[SubmissionError] = []
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            found = _member(names, form)
            if names != [found] or (form and found != form.file):
                nested = found is not None and "/" in found
                wrong = f"{file} lies in a folder" if nested else f"not {file} alone"
                listed = ", ".join(names[:3]) or "nothing"
                faults.append(
                    SubmissionError(path.name, wrong, expected=file, found=listed, do=again)
                )
            if found is None:
                return faults, None
            if archive.getinfo(found).file_size > LARGEST:
                return [*faults, SubmissionError(path.name, "unpacks to far too much")], None
            return faults, archive.read(found)
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, OSError) as error:
        return [*faults, SubmissionError(path.name, f"not a whole zip ({error})", do=again)], None
    except RuntimeError:  # what zipfile says of a password
        return [*faults, SubmissionError(path.name, "has a password", do=again)], None


def _member(names: Sequence[str], form: Form | None) -> str | None:
    """The entry that is meant: of the form's name in any folder, or the first CSV."""
    if form is not None:
        return next((name for name in names if name.split("/")[-1] == form.file), None)
    plain = [name for name in names if name.endswith(".csv") and "__MACOSX" not in name]
    return plain[0] if plain else None


def faults_of_csv(
    name: str, data: bytes, ids: Sequence[str], form: Form, edition: Edition
) -> Iterator[SubmissionError]:
    """Everything that is wrong with the bytes of a CSV; `name` is what messages call it."""
    faults, text = text_of(name, data)
    yield from faults
    if not text:
        return
    lines = text.removesuffix("\n").split("\n")
    rows = [Row(number, line.split(",")) for number, line in enumerate(lines, 1)]
    header, rows = _header(name, rows, form)
    yield from header
    width = 1 + len(form.columns)
    whole = [row for row in rows if len(row.cells) == width and row.cells[0]]
    yield from _at(
        name,
        "not a clip id and its label(s)",
        [row for row in rows if len(row.cells) != width or not row.cells[0]],
        expected=f"{width} cells, parted by commas",
        do="Write one clip a line, without spaces, quotes or empty lines",
    )
    for place, column in enumerate(form.columns, 1):
        yield from _label_faults(name, whole, place, column, form, edition)
    yield from _repeated(name, whole, form)
    wanted = [clip + form.id_suffix for clip in ids]
    yield from id_faults(name, [(row.number, row.cells[0]) for row in whole], wanted)


def text_of(name: str, data: bytes) -> tuple[list[SubmissionError], str | None]:
    """What is wrong with the bytes, and the text with line feeds, if there is one."""
    save = "Save it as UTF-8 without a byte order mark"
    if not data:
        return [SubmissionError(name, "the file is empty")], None
    if data.startswith(WIDE):
        return [SubmissionError(name, "UTF-16", expected="UTF-8", do=save)], None
    faults = []
    if data.startswith(BOM):
        faults.append(SubmissionError(name, "starts with a byte order mark", do=save))
        data = data.removeprefix(BOM)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return [*faults, SubmissionError(f"{name}, line {line}", "not UTF-8", do=save)], None
    text = text.replace("\r\n", "\n")
    if "\r" in text:
        line = text[: text.index("\r")].count("\n") + 1
        faults.append(
            SubmissionError(
                f"{name}, line {line}", "a carriage return alone", expected="'\\n' or '\\r\\n'"
            )
        )
        text = text.replace("\r", "\n")
    if not text.endswith("\n"):
        # A file that was cut off may still look right: 's12_0042,1' may have been ',13'.
        faults.append(
            SubmissionError(
                f"{name}, line {text.count(chr(10)) + 1}",
                "the last line has no end",
                do="See that its label is whole, then end the line",
            )
        )
    return faults, text


def _header(name: str, rows: list[Row], form: Form) -> tuple[list[SubmissionError], list[Row]]:
    """What is wrong with the first line, and the rows of clips."""
    first = rows[0].cells
    looks_like_one = not any(INTEGER.fullmatch(cell.strip()) for cell in first[1:])
    if form.header is None:
        if not looks_like_one:
            return [], rows
        wrong, do = "a header", "Leave it out: this challenge wants none"
    elif tuple(first) == form.header:
        return [], rows[1:]
    else:
        wrong = "wrong header" if looks_like_one else "the header is missing"
        do = f"Let the first line be {','.join(form.header)}"
    fault = SubmissionError(f"{name}, line 1", wrong, found=f"'{','.join(first)[:60]}'", do=do)
    return [fault], rows[1:] if looks_like_one else rows


def _label_faults(  # noqa: PLR0917 - what a message needs
    name: str, rows: Sequence[Row], place: int, column: Column, form: Form, edition: Edition
) -> Iterator[SubmissionError]:
    """Labels of one column that are no integers, or none of the edition's."""
    count = len(edition.classes if column.level == "class" else edition.groups)
    low, high = form.label_base, form.label_base + count - 1
    expected = f"an integer from {low} to {high}"
    called = f" of column {place + 1}" if len(form.columns) > 1 else ""
    odd = [row for row in rows if not INTEGER.fullmatch(row.cells[place])]
    yield from _at(
        name, f"the label{called} is no integer", odd, expected=expected,
        do="Write integers: no decimals, quotes or spaces",
    )  # fmt: skip
    outside = [
        row
        for row in rows
        if INTEGER.fullmatch(row.cells[place]) and not low <= int(row.cells[place]) <= high
    ]
    yield from _at(
        name, f"the label{called} is out of range", outside, expected=expected,
        do=f"Write class k as k + {low}, k counted from 0",
    )  # fmt: skip


def _repeated(name: str, rows: Sequence[Row], form: Form) -> Iterator[SubmissionError]:
    """A class that stands at two ranks of one clip."""
    places = [place for place, one in enumerate(form.columns, 1) if one.level == "class"]
    twice = [row for row in rows if len({row.cells[place] for place in places}) < len(places)]
    yield from _at(name, "a class stands at two ranks", twice, do="Rank different classes")


def _at(
    name: str, wrong: str, rows: Sequence[Row], *, expected: str = "", do: str
) -> Iterator[SubmissionError]:
    """One fault for all `rows` that have it: the first is shown, the others are counted."""
    if rows:
        more = f" (and on {len(rows) - 1} more line(s))" if len(rows) > 1 else ""
        found = f"'{','.join(rows[0].cells)[:60]}'"
        where = f"{name}, line {rows[0].number}"
        yield SubmissionError(where, wrong + more, expected=expected, found=found, do=do)
