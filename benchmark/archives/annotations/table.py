"""Tables of annotations: CSV of any separator, Excel, and the exports of BORIS."""

from __future__ import annotations

import csv
import io
from functools import partial
from typing import TYPE_CHECKING

from benchmark.archives.annotations.annotation import Annotation, seconds
from benchmark.archives.sheet import read_sheet
from benchmark.core.errors import ArchiveError, FaultList
from benchmark.core.isolated import isolated
from benchmark.core.text_files import once_each, read_text, whole_number

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NAMES = {
    "video": ("video", "file", "filename", "file name", "media", "media file", "media file name",
              "media file path", "clip", "path"),
    "label": ("label", "class", "gesture", "behavior", "behaviour", "code", "annotation", "event",
              "action"),
    "start_s": ("start_s", "start (s)", "start", "begin", "begin time - ss.msec", "onset", "from",
                "start time"),
    "end_s": ("end_s", "stop (s)", "end (s)", "end", "stop", "end time - ss.msec", "offset", "to",
              "end time"),
    "duration_s": ("duration_s", "duration (s)", "duration", "duration - ss.msec"),
    "start_frame": ("start_frame", "first frame", "image index start"),
    "end_frame": ("end_frame", "image index stop"),
    "subject": ("subject", "person", "participant", "actor", "subject name"),
    "split": ("split", "set", "partition"),
    "time_s": ("time",),
    "status": ("status", "behavior type"),
}  # fmt: skip
"""What a column tells -> names that programs give it, in lower case; the first that is there."""
BEGINS, ENDS, POINT = "START", "STOP", "POINT"
"""What BORIS writes as the status of an event."""


def read_table(path: Path) -> list[Annotation]:
    """Read a table whose header names its columns; all others are ignored.

    Raises:
        ManyFaults: Every row that is wrong, with its line.
        ArchiveError: The file is no table, or no column tells the video or the class.
    """
    rows = _sheet(path) if path.suffix.lower() in {".xlsx", ".xlsm"} else _lines(path)
    header = rows[0][1] if rows else []
    columns = _columns(path, header)
    faults, found, open_ones = FaultList(), list[Annotation](), dict[tuple[str, str, str], float]()
    for where, row in rows[1:]:
        with faults.collected():
            cells = {key: row[k].strip() if k < len(row) else "" for key, k in columns.items()}
            if not any(cells.values()):
                continue
            if "time_s" in columns and "start_s" not in columns:
                found += _event(where, cells, open_ones)
            else:
                found.append(_annotation(where, cells))
    for (video, label, _), start in open_ones.items():
        faults.errors.append(
            ArchiveError(path, f"'{label}' begins at {start:g} s of {video}, and never stops")
        )
    faults.raise_any(path)
    if not found:
        raise ArchiveError(path, "no annotation in it")
    return found


def _lines(path: Path) -> list[tuple[str, list[str]]]:
    text = read_text(path)
    try:
        kind = csv.Sniffer().sniff(text.partition("\n")[0], delimiters=",;\t")
    except csv.Error:
        kind = csv.excel
    reader = csv.reader(io.StringIO(text, newline=""), kind)
    return [(f"{path} line {reader.line_num}", row) for row in reader if row]


def _sheet(path: Path) -> list[tuple[str, list[str]]]:
    do = "Delete cells far from the others"
    rows = isolated(partial(read_sheet, do=do), path, error=ArchiveError, do=do)
    texts = [[_cell(cell) for cell in row] for row in rows]
    return [(f"{path} row {k}", row) for k, row in enumerate(texts, start=1) if any(row)]


def _cell(cell: object) -> str:
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _columns(path: Path, header: list[str]) -> dict[str, int]:
    """Find the place of each column that is known by a name.

    Raises:
        ArchiveError: No column tells the video or the class, or one comes twice.
    """
    places: dict[str, int] = {}
    seen: dict[str, str] = {}
    for place, name in enumerate(cell.strip().lower() for cell in header):
        if name:
            once_each(seen, name, f"{path}, column {place + 1}", what="column")
            places[name] = place
    found = {}
    for key, names in NAMES.items():
        if name := next((name for name in names if name in places), None):
            found[key] = places[name]
    for key in ("video", "label"):
        if key not in found:
            raise ArchiveError(
                path, f"no column tells the {key}", expected=" or ".join(NAMES[key][:6]),
                found=", ".join(header)[:120],
            )  # fmt: skip
    return found


def _annotation(where: str, cells: dict[str, str]) -> Annotation:
    start, end = (seconds(where, cells.get(key, "")) for key in ("start_s", "end_s"))
    length = seconds(where, cells.get("duration_s", ""))
    if end is None and start is not None and length is not None:
        end = start + length
    first, last = (
        whole_number(where, key, cells[key]) if cells.get(key) else None
        for key in ("start_frame", "end_frame")
    )
    for key in ("video", "label"):
        if not cells[key]:
            raise ArchiveError(where, f"no {key}")
    return Annotation(
        where, cells["video"], cells["label"], start, end, first, last,
        cells.get("subject") or None, cells.get("split") or None,
    )  # fmt: skip


def _event(
    where: str, cells: dict[str, str], open_ones: dict[tuple[str, str, str], float]
) -> Iterable[Annotation]:
    """Join BORIS's START and STOP rows of one behavior.

    Args:
        where: File and line.
        cells: Of the row.
        open_ones: Video, behavior and subject -> when it began; changed in place.
    """
    status, time = cells.get("status", "").upper(), seconds(where, cells["time_s"])
    key = cells["video"], cells["label"], cells.get("subject", "")
    if time is None or status not in {BEGINS, ENDS}:
        expected = f"{BEGINS} or {ENDS}: a {POINT} event has no duration"
        raise ArchiveError(where, "no begin and no end", expected=expected, found=status or "none")
    if status == BEGINS:
        if key in open_ones:
            raise ArchiveError(
                where, f"'{key[1]}' begins twice", found=f"since {open_ones[key]:g} s"
            )
        open_ones[key] = time
        return []
    if key not in open_ones:
        raise ArchiveError(where, f"'{key[1]}' stops, but has not begun")
    return [Annotation(where, key[0], key[1], open_ones.pop(key), time, subject=key[2] or None)]
