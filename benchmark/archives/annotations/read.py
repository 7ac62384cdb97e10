"""Annotations that people wrote down: tables (CSV, Excel, exports of BORIS), and tiers of ELAN."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Collection, Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree import ElementTree

from benchmark.archives.sheet import later_headers, read_sheet
from benchmark.core.errors import ArchiveError, FaultList
from benchmark.core.isolated import isolated
from benchmark.core.text_files import CLOSE_QUOTE, once_each, read_text, split_rows, whole_number


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
            # A stray quote swallows the rows up to the next one. Columns that are ignored, such as
            # comments, may have several lines.
            if any("\n" in cell or "\r" in cell for cell in cells.values()):
                raise ArchiveError(where, "a cell goes over several lines", do=CLOSE_QUOTE)
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
        separator = csv.Sniffer().sniff(text.partition("\n")[0], delimiters=",;\t").delimiter
    except csv.Error:
        separator = ","
    rows = split_rows(path, text, separator, strip=True)
    return [(where, row) for where, _, row in rows if row]


def _sheet(path: Path) -> list[tuple[str, list[str]]]:
    do = "Delete cells far from the others"
    texts, later = isolated(partial(_texts, do=do), path, error=ArchiveError, do=do)
    for name, header in later.items():
        known = {cell.strip().lower() for cell in header}
        if all(known & {*NAMES[key]} for key in ("video", "label")):
            wrong = f"sheet '{name}' holds annotations, too, but only the first sheet is read"
            raise ArchiveError(path, wrong, do="Save each sheet as a CSV, and name all of them")
    return [(f"{path} row {k}", row) for k, row in enumerate(texts, start=1) if any(row)]


def _texts(path: Path, *, do: str) -> tuple[list[list[str]], dict[str, list[str]]]:
    """Read the cells of the first sheet, and the first row of each other one by its name."""
    later = later_headers(path, do=do).items()
    rows = [[_cell(cell) for cell in row] for row in read_sheet(path, do=do)]
    return rows, {name: [_cell(cell) for cell in row] for name, row in later}


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


def check_tiers(paths: Iterable[Path], wanted: Collection[str]) -> None:
    """Make sure that each wanted tier is in one of these annotation documents at least.

    Raises:
        ArchiveError: One is in none of them.
    """
    if not wanted:
        return
    names = {tier.get("TIER_ID", "") for path in paths for tier in _document(path).iter("TIER")}
    if unknown := sorted({*wanted} - names):
        expected = ", ".join(sorted(names))[:120] or "an .eaf file"
        raise ArchiveError("--tier", f"no tier '{unknown[0]}'", expected=expected)


def read_elan(path: Path, tiers: Collection[str] = ()) -> list[Annotation]:
    """Read the annotations of some tiers, or of the only one that has any.

    The video is the file's media; a tier's participant is the subject.

    Raises:
        ManyFaults: Every annotation without a time or a word.
        ArchiveError: The file is no annotation document, names no video, or has several tiers and
            none is chosen, or none of those that are.
    """
    root = _document(path)
    media = root.find("HEADER/MEDIA_DESCRIPTOR")
    address = "" if media is None else media.get("RELATIVE_MEDIA_URL") or media.get("MEDIA_URL", "")
    if not address:
        raise ArchiveError(path, "names no video", do="Link the video in ELAN, and save it again")
    video = _beside(path, unquote(address))
    # ELAN synchronizes videos: this one began so many milliseconds before the annotations.
    origin = _milliseconds(None if media is None else media.get("TIME_ORIGIN")) or 0
    times = {
        slot.get("TIME_SLOT_ID", ""): _milliseconds(slot.get("TIME_VALUE"))
        for slot in root.iter("TIME_SLOT")
    }
    faults, found = FaultList(), list[Annotation]()
    for tier in _chosen(path, root, tiers):
        for one in tier.iter("ALIGNABLE_ANNOTATION"):
            where = f"{path}, annotation {one.get('ANNOTATION_ID')}"
            start, end = (times.get(one.get(f"TIME_SLOT_REF{k}", "")) for k in (1, 2))
            label = (one.findtext("ANNOTATION_VALUE") or "").strip()
            if start is None or end is None or not label:
                wrong = "no word in it" if label == "" else "no times"
                faults.errors.append(ArchiveError(where, wrong))
                continue
            start_s, end_s = (start + origin) / 1000, (end + origin) / 1000
            subject = tier.get("PARTICIPANT", "").strip() or None
            found.append(Annotation(where, video, label, start_s, end_s, subject=subject))
    faults.raise_any(path)
    return found


def _document(path: Path) -> ElementTree.Element:
    data = path.read_bytes()
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ArchiveError(path, "defines entities, which no annotation document does")
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, LookupError) as error:  # the latter is an unknown encoding
        raise ArchiveError(path, f"not XML ({error})", do="Save it again with ELAN") from None


def _beside(path: Path, address: str) -> str:
    """Return the video at an address relative to the document, or else only its name.

    Two folders may each have a video of one name with its document beside it.
    """
    plain = address.replace("\\", "/")
    # No resolve(), which would follow a link to a video out of its folder.
    video = Path(os.path.normpath(path.parent.resolve() / plain))
    is_relative = "://" not in plain and not Path(plain).is_absolute()
    return str(video) if is_relative and video.is_file() else plain.rpartition("/")[2]


def _milliseconds(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?[0-9]{1,12}", text.strip()) else None


def _chosen(
    path: Path, root: ElementTree.Element, wanted: Collection[str]
) -> list[ElementTree.Element]:
    tiers = {
        tier.get("TIER_ID", ""): tier for tier in root.iter("TIER")
        if tier.find("ANNOTATION/ALIGNABLE_ANNOTATION") is not None
    }  # fmt: skip
    if not wanted and len(tiers) != 1:
        raise ArchiveError(
            path, f"{len(tiers)} tiers with times", expected="one, or a choice by --tier",
            found=", ".join(tiers)[:120],
        )  # fmt: skip
    if not (chosen := [tier for name, tier in tiers.items() if not wanted or name in wanted]):
        raise ArchiveError(
            path, "nothing in the tiers that --tier names", found=", ".join(tiers)[:120],
            do="Name a tier of it, too, or leave the file out",
        )  # fmt: skip
    return chosen
