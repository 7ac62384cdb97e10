"""Check whether a leaderboard would take a file: name every fault at once, and how to fix each."""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

from benchmark.core.errors import SubmissionError, one_per_line
from benchmark.core.text_files import WIDE
from submission.leaderboard.id_checks import id_faults

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmark.challenges.challenge import Column, Form
    from benchmark.editions.edition import Edition

# int() would also take "+1", " 1", "1_0" and digits of other scripts.
INTEGER = re.compile(r"0|[1-9][0-9]*")
"""A label as the leaderboard reads it: ASCII digits, no sign, no leading zero."""
LONGEST = 9
"""Digits of a label, at most."""
LARGEST = 64 * 2**20
"""Bytes of a CSV: a hundred times what the largest challenge needs."""
BOM = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """A line of the file; `number` counts from 1."""

    number: int
    cells: list[str]


def check_submission(path: Path, ids: Sequence[str], form: Form, edition: Edition) -> None:
    """Raise `SubmissionError` unless the leaderboard would take the file.

    Args:
        path: A CSV, or the zip of one.
        ids: Our ids of the clips that the leaderboard asks for, in its order.
        form: What the file must look like.
        edition: Defines the classes and body parts.

    Raises:
        SubmissionError: Every fault, one line each: where, what is wrong, how to fix it.
    """
    form = _meant(path, form)
    faults, data = bytes_of(path, form)
    if data is not None:
        name = f"{path.name}/{form.file}" if is_zip(path) else path.name
        faults += faults_of_csv(name, data, ids, form, edition)
    if faults:
        raise SubmissionError(path, one_per_line(faults))


def _meant(path: Path, form: Form) -> Form:
    """Return the form of `form.also` that a file has, where sources disagree; else `form`."""
    for other, names in zip(form.others(), form.also, strict=True):
        if is_zip(path) and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                is_other = other.file in archive.namelist()
        else:
            with path.open("rb") as file:
                is_other = file.readline(LARGEST).rstrip() == ",".join(names.header).encode()
        if is_other:
            return other
    return form


def is_zip(path: Path) -> bool:
    """Tell by the ending whether a file is a zip."""
    return path.suffix.lower() == ".zip"


def bytes_of(path: Path, form: Form | None) -> tuple[list[SubmissionError], bytes | None]:
    """Find the faults of a file as such, and read its CSV; None where that is impossible.

    Without a form, any zip is right that holds one CSV.
    """
    if not path.is_file():
        missing = SubmissionError(path, "no such file", do="Write it with 'mgbench submit write'")
        return [missing], None
    # Before reading: a video given by mistake need not fit into memory.
    if path.stat().st_size > LARGEST:
        large = SubmissionError(path.name, "far too large", expected=f"at most {LARGEST} bytes")
        return [large], None
    if not is_zip(path):
        return [], path.read_bytes()
    return _unpacked(path, form)


def _unpacked(path: Path, form: Form | None) -> tuple[list[SubmissionError], bytes | None]:
    """Find the faults of a zip, and read its CSV; None where that is impossible."""
    file, packed = (form.file, form.zip) if form else ("the CSV", path.name)
    again = f"Zip {file} alone, without its folder: zip -j {packed} {file}"
    faults: list[SubmissionError] = []
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            member = _member(names, form)
            if names != [member] or (form and member != form.file):
                nested = member is not None and "/" in member
                wrong = f"{file} lies in a folder" if nested else f"not {file} alone"
                held = ", ".join(names[:3]) or "nothing"
                faults.append(
                    SubmissionError(path.name, wrong, expected=file, found=held, do=again)
                )
            if member is None:
                return faults, None
            info = archive.getinfo(member)
            if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                wrong = "packed by a method that not every program reads"
                faults.append(SubmissionError(path.name, wrong, expected="deflate", do=again))
            # A small zip can unpack to more than memory holds, so the header's size decides.
            if info.file_size > LARGEST:
                return [*faults, SubmissionError(path.name, "unpacks to far too much")], None
            return faults, archive.read(member)
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, OSError) as error:
        return [*faults, SubmissionError(path.name, f"not a whole zip ({error})", do=again)], None
    except RuntimeError:  # zipfile raises it for a password
        return [*faults, SubmissionError(path.name, "has a password", do=again)], None


def _member(names: Sequence[str], form: Form | None) -> str | None:
    """Pick the entry to check: the form's file in any folder, or without a form the first CSV."""
    if form is not None:
        return next((name for name in names if name.split("/")[-1] == form.file), None)
    # macOS adds a shadow file per entry.
    plain = [name for name in names if name.endswith(".csv") and "__MACOSX" not in name]
    return plain[0] if plain else None


def faults_of_csv(
    name: str, data: bytes, ids: Sequence[str], form: Form, edition: Edition
) -> Iterator[SubmissionError]:
    """Find every fault in the bytes of a CSV.

    Args:
        name: Name of the file in messages.
        data: Content of the file.
        ids: Our ids of the clips that the leaderboard asks for, in its order.
        form: What the file must look like.
        edition: Defines the classes and body parts.
    """
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
        expected=f"{width} cells, separated by commas",
        do="Write one clip per line, without spaces, quotes or empty lines",
    )
    for place, column in enumerate(form.columns, 1):
        yield from _label_faults(name, whole, place, column, form, edition)
    yield from _repeated(name, whole, form)
    wanted = [clip + form.id_suffix for clip in ids]
    yield from id_faults(name, [(row.number, row.cells[0]) for row in whole], wanted)


def text_of(name: str, data: bytes) -> tuple[list[SubmissionError], str | None]:
    """Find the faults of the encoding, and decode with line feeds; None where it cannot."""
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
        # The other checks go on with it as a line end, so that their line numbers are right.
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
    """Find the faults of the first line, and return the rows of clips."""
    first = rows[0].cells
    # A first line with a number is a clip: its header is missing, not wrong.
    looks_like_header = not any(INTEGER.fullmatch(cell.strip()) for cell in first[1:])
    if form.header is None:
        if not looks_like_header:
            return [], rows
        wrong, do = "a header", "Leave it out: this challenge wants none"
    elif tuple(first) == form.header:
        return [], rows[1:]
    else:
        wrong = "wrong header" if looks_like_header else "the header is missing"
        do = f"Let the first line be {','.join(form.header)}"
    fault = SubmissionError(f"{name}, line 1", wrong, found=f"'{','.join(first)[:60]}'", do=do)
    return [fault], rows[1:] if looks_like_header else rows


def _label_faults(  # noqa: PLR0917 - what a message needs
    name: str, rows: Sequence[Row], place: int, column: Column, form: Form, edition: Edition
) -> Iterator[SubmissionError]:
    """Find the labels of one column that are no integers, or outside of the edition's range.

    Args:
        name: Name of the file in messages.
        rows: The rows of clips, all of the right width.
        place: Index of the column; the clip id is at 0.
        column: Whether the column holds classes or body parts.
        form: Says from where labels count, and how many columns there are.
        edition: Defines the classes and body parts.
    """
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
        # By length first: Python refuses to convert a text of 5,000 digits.
        if INTEGER.fullmatch(row.cells[place])
        and (len(row.cells[place]) > LONGEST or not low <= int(row.cells[place]) <= high)
    ]
    yield from _at(
        name, f"the label{called} is out of range", outside, expected=expected,
        do=f"Number the classes from {low} on",
    )  # fmt: skip


def _repeated(name: str, rows: Sequence[Row], form: Form) -> Iterator[SubmissionError]:
    """Find clips with one class at two ranks; body parts may repeat."""
    places = [place for place, column in enumerate(form.columns, 1) if column.level == "class"]
    twice = [row for row in rows if len({row.cells[place] for place in places}) < len(places)]
    yield from _at(name, "a class stands at two ranks", twice, do="Rank different classes")


def _at(
    name: str, wrong: str, rows: Sequence[Row], *, expected: str = "", do: str
) -> Iterator[SubmissionError]:
    """Report one fault that `rows` share: show the first row and count the others.

    Args:
        name: Name of the file in messages.
        wrong: The fault.
        rows: The rows that have it; none reports nothing.
        expected: What a row should hold.
        do: How to fix it.
    """
    if rows:
        more = f" (and on {len(rows) - 1} more line(s))" if len(rows) > 1 else ""
        found = f"'{','.join(rows[0].cells)[:60]}'"
        where = f"{name}, line {rows[0].number}"
        yield SubmissionError(where, wrong + more, expected=expected, found=found, do=do)
