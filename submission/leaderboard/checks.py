"""Check whether a leaderboard would take a file: name every fault at once, and how to fix each."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark.core.errors import SubmissionError, one_per_line
from benchmark.core.foreign_file import DAMAGED_ZIP
from benchmark.core.text_files import WIDE
from benchmark.editions.edition import Edition, read_edition

if TYPE_CHECKING:
    from benchmark.challenges.challenge import Challenge, Form


# int() would also take "+1", " 1", "1_0" and digits of other scripts.
INTEGER = re.compile(r"0|[1-9][0-9]*")
"""A label as the leaderboard reads it: ASCII digits, no sign, no leading zero."""
LONGEST = 9
"""Digits of a label, at most."""
LARGEST = 64 * 2**20
"""Bytes of a CSV: a hundred times what the largest challenge needs."""
ZIPPED = b"PK\3\4"
"""First bytes of a zip, which an Excel sheet is too."""
BOM = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """A line of the file; `number` counts from 1."""

    number: int
    cells: list[str]


def check_submission(path: Path, ids: Sequence[str], challenge: Challenge) -> None:
    """Raise `SubmissionError` unless the leaderboard would take the file, a CSV or the zip of one.

    `ids` are ours of the clips that the leaderboard asks for, in its order.

    Raises:
        SubmissionError: Every fault, one line each: where, what is wrong, how to fix it.
    """
    form = _meant(path, challenge.form)
    faults, data = bytes_of(path, form)
    if data is not None:
        name = f"{path.name}/{form.file}" if is_zip(path) else path.name
        faults += _Csv(name, form, read_edition(challenge.edition)).faults(data, ids)
    if faults:
        raise SubmissionError(path, one_per_line(faults))


def _meant(path: Path, form: Form) -> Form:
    """Return the form of `form.also` that a file has, where sources disagree; else `form`."""
    inside, first = _told(path) if form.also else ([], b"")
    for other, names in zip(form.others(), form.also, strict=True):
        if other.file in inside or first == ",".join(names.header).encode():
            return other
    return form


def _told(path: Path) -> tuple[list[str], bytes]:
    """Return the names in a zip, or the first line of another file; nothing of what is damaged."""
    try:
        if is_zip(path):
            with zipfile.ZipFile(path) as archive:
                return archive.namelist(), b""
    except (*DAMAGED_ZIP, OSError):  # `_unpacked` says what is wrong
        return [], b""
    if not path.is_file():  # a pipe would wait for its writer
        return [], b""
    with path.open("rb") as file:
        return [], file.readline(LARGEST).rstrip()


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
                fault = SubmissionError(path.name, wrong, expected=file, found=held, do=again)
                faults.append(fault)
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
    except (*DAMAGED_ZIP, OSError) as error:
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


def text_of(name: str, data: bytes) -> tuple[list[SubmissionError], str | None]:
    """Find the faults of the encoding, and decode with line feeds; None where it cannot."""
    save = "Save it as UTF-8 without a byte order mark"
    if not data:
        return [SubmissionError(name, "the file is empty")], None
    if data.startswith(ZIPPED):
        wrong, do = "an Excel sheet or another zip", "Save it as CSV, or name the zip .zip"
        return [SubmissionError(name, wrong, expected="text", do=do)], None
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
        where, ends = f"{name}, line {line}", "'\\n' or '\\r\\n'"
        faults.append(SubmissionError(where, "a carriage return alone", expected=ends))
        # The other checks go on with it as a line end, so that their line numbers are right.
        text = text.replace("\r", "\n")
    if not text.endswith("\n"):
        # A file that was cut off may still look right: 's12_0042,1' may have been ',13'.
        where = f"{name}, line {text.count(chr(10)) + 1}"
        do = "See that its label is whole, then end the line"
        faults.append(SubmissionError(where, "the last line has no end", do=do))
    return faults, text


@dataclass(frozen=True)
class _Csv:
    """A CSV that is checked; messages call it `name`."""

    name: str
    form: Form
    edition: Edition

    def faults(self, data: bytes, ids: Sequence[str]) -> Iterator[SubmissionError]:
        """Find every fault in its bytes; `ids` are ours of the wanted clips, in their order."""
        faults, text = text_of(self.name, data)
        yield from faults
        if not text:
            return
        lines = text.removesuffix("\n").split("\n")
        rows = [Row(number, line.split(",")) for number, line in enumerate(lines, 1)]
        header, rows = self._header(rows)
        yield from header
        width = 1 + len(self.form.columns)
        whole = [row for row in rows if len(row.cells) == width and row.cells[0]]
        yield from self._at(
            [row for row in rows if len(row.cells) != width or not row.cells[0]],
            "not a clip id and its label(s)", expected=f"{width} cells, separated by commas",
            do="Write one clip per line, without spaces, quotes or empty lines",
        )  # fmt: skip
        # Column 0 is the clip id.
        for place in range(1, width):
            yield from self._label_faults(whole, place)
        yield from self._repeated(whole)
        wanted = [clip + self.form.id_suffix for clip in ids]
        yield from id_faults(self.name, [(row.number, row.cells[0]) for row in whole], wanted)

    def _header(self, rows: list[Row]) -> tuple[list[SubmissionError], list[Row]]:
        """Find the faults of the first line, and return the rows of clips."""
        first, wanted = rows[0].cells, self.form.header
        # A first line with a number is a clip: its header is missing, not wrong.
        looks_like_header = not any(INTEGER.fullmatch(cell.strip()) for cell in first[1:])
        if wanted is None:
            if not looks_like_header:
                return [], rows
            wrong, do = "a header", "Leave it out: this challenge wants none"
        elif tuple(first) == wanted:
            return [], rows[1:]
        else:
            wrong = "wrong header" if looks_like_header else "the header is missing"
            do = f"Let the first line be {','.join(wanted)}"
        found = f"'{','.join(first)[:60]}'"
        fault = SubmissionError(f"{self.name}, line 1", wrong, found=found, do=do)
        return [fault], rows[1:] if looks_like_header else rows

    def _label_faults(self, rows: Sequence[Row], place: int) -> Iterator[SubmissionError]:
        """Find the labels in column `place` that are no integers, or outside of their range."""
        form, edition = self.form, self.edition
        level = form.columns[place - 1].level
        count = len(edition.classes if level == "class" else edition.groups)
        low, high = form.label_base, form.label_base + count - 1
        expected = f"an integer from {low} to {high}"
        called = f" of column {place + 1}" if len(form.columns) > 1 else ""
        odd = [row for row in rows if not INTEGER.fullmatch(row.cells[place])]
        yield from self._at(
            odd, f"the label{called} is no integer", expected=expected,
            do="Write integers: no decimals, quotes or spaces",
        )  # fmt: skip
        outside = [
            row
            for row in rows
            # By length first: Python refuses to convert a text of 5,000 digits.
            if INTEGER.fullmatch(row.cells[place])
            and (len(row.cells[place]) > LONGEST or not low <= int(row.cells[place]) <= high)
        ]
        yield from self._at(
            outside, f"the label{called} is out of range", expected=expected,
            do=f"Number the classes from {low} on",
        )  # fmt: skip

    def _repeated(self, rows: Sequence[Row]) -> Iterator[SubmissionError]:
        """Find clips with one class at two ranks; body parts may repeat."""
        columns = enumerate(self.form.columns, 1)
        places = [place for place, column in columns if column.level == "class"]
        twice = [row for row in rows if len({row.cells[place] for place in places}) < len(places)]
        yield from self._at(twice, "a class stands at two ranks", do="Rank different classes")

    def _at(self, rows: Sequence[Row], wrong: str, **more: str) -> Iterator[SubmissionError]:
        """Report a fault that `rows` share, if any: show the first row and count the others."""
        if rows:
            others = f" (and on {len(rows) - 1} more line(s))" if len(rows) > 1 else ""
            found = f"'{','.join(rows[0].cells)[:60]}'"
            where = f"{self.name}, line {rows[0].number}"
            yield SubmissionError(where, wrong + others, found=found, **more)


def id_faults(
    name: str, rows: Sequence[tuple[int, str]], wanted: Sequence[str]
) -> Iterator[SubmissionError]:
    """Find the faults of `rows`, pairs of line number and clip id, against the ids `wanted`."""
    lines: dict[str, int] = {}
    twice = []
    for number, clip in rows:
        if clip in lines:
            twice.append((number, clip))
        lines.setdefault(clip, number)
    expected = set(wanted)
    foreign = [clip for clip in lines if clip not in expected]
    missing = [clip for clip in wanted if clip not in lines]
    if twice:
        number, clip = twice[0]
        yield SubmissionError(
            f"{name}, line {number}", f"{len(twice)} clip(s) come twice, the first is {clip}",
            found=f"before on line {lines[clip]}", do="Keep one line per clip",
        )  # fmt: skip
    if foreign:
        where, first = f"{name}, line {lines[foreign[0]]}", foreign[0]
        yield SubmissionError(
            where, f"{len(foreign)} unknown clip(s), the first is {first}",
            expected=f"the {len(wanted)} clips of the challenge, such as {wanted[0]}",
            do=_advice(foreign, expected),
        )  # fmt: skip
    if missing:
        yield SubmissionError(
            name, f"{len(missing)} clip(s) missing, the first is {missing[0]}",
            expected=f"{len(wanted)} clips", found=str(len(lines)),
            do="Predict every clip of the challenge",
        )  # fmt: skip
    # Among other clips the order means nothing: report it only where the clips are right.
    if twice or foreign or missing:
        return
    pairs = [(row, right) for row, right in zip(rows, wanted, strict=True) if row[1] != right]
    if pairs:
        (number, clip), right = pairs[0]
        yield SubmissionError(
            f"{name}, line {number}", f"not in the challenge's order ({len(pairs)} line(s))",
            expected=right, found=clip, do="Write the clips in the order of the published list",
        )  # fmt: skip


def _advice(foreign: Sequence[str], expected: set[str]) -> str:
    """Guess what happened to ids that the challenge does not know."""
    # A guess counts only if it explains all of them.
    if all(clip.strip() in expected for clip in foreign):
        return "Remove the spaces"
    if all(clip.strip("\"'") in expected for clip in foreign):
        return "Remove the quotes"
    if all(clip.rpartition(".")[0] in expected for clip in foreign):
        return "Remove the file ending"
    if set(foreign) <= {clip.lstrip("0") for clip in expected}:
        return "Keep the zeros at the start: a spreadsheet has read the ids as numbers"
    for ending in (".mp4", ".avi"):
        if all(clip + ending in expected for clip in foreign):
            return f"Put {ending} after each"
    return "Check that the scores are of this challenge's clips"
