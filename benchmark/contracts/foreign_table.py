"""Tables of other programs (csv): rows are known by the clip they name, columns by their header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmark.core.errors import FaultList, FormatError
from benchmark.core.text_files import once_each, read_rows, whole_number

ID_COLUMNS = ("clip_id", "id", "vid", "video_id", "clip", "filename", "file_name", "frame_dir")
"""Names of a column of clip ids, in lower case; of several columns the first name here counts."""
LABEL_COLUMNS = ("label", "gt_label", "target", "true_label")
"""Names of a column of class indices, in lower case."""
VIDEO = "video"
"""Column of the video of each clip, beside one of clip ids."""
INDEX_COLUMNS = ("", "index", "unnamed: 0")
"""Headers of the row numbers that pandas writes as a first column."""
NUMBERED = re.compile(r"\D*([0-9]{1,6})")
"""A column named by its class's number: 7, p7, class_7."""
FEWEST_NUMBERED = 3
"""Fewest columns `0,1,2` that are a header without a word in it: the row `a,0,1` is a clip's."""


class ForeignTable(NamedTuple):
    """A csv, taken apart by its header."""

    where: tuple[str, ...]
    """File and line of each row."""
    ids: tuple[str, ...] | None
    """Clip of each row; None if no column names it."""
    labels: tuple[str, ...] | None
    """Cells of the column of labels; None if there is none."""
    columns: tuple[str, ...] | None
    """Names of the other columns; None without a header."""
    cells: list[list[str]]
    """Cells of the other columns, by row."""


def read_table(path: Path) -> ForeignTable:
    """Read a csv with or without a header, whose rows may name their clip in any column.

    Without a header, the first column names the clips if its first cell is no number.

    Raises:
        ArchiveError: It is missing, not UTF-8, or no csv.
        FormatError: It has no rows, a row has another length, or a clip or column comes twice.
    """
    rows = [(where, [cell.strip() for cell in row]) for where, row in read_rows(path)]
    header = rows.pop(0)[1] if rows and _is_header(rows[0][1]) else None
    if not rows:
        raise FormatError(path, "no rows")
    width = len(header or rows[0][1])
    for where, row in rows:
        if len(row) != width:
            raise FormatError(
                where, f"not {width} cells, as the first line has", found=str(len(row))
            )
    id_place, label_place, dropped = _places(header, rows)
    if header:
        seen: dict[str, str] = {}
        for place, name in enumerate(header):
            once_each(seen, name, f"{path}, column {place + 1}", what="column")
    others = [k for k in range(width) if k not in {id_place, label_place, dropped}]
    where = tuple(where for where, _ in rows)
    ids = None if id_place is None else tuple(row[id_place] for _, row in rows)
    return ForeignTable(
        where=where,
        ids=_once(where, ids),
        labels=None if label_place is None else tuple(row[label_place] for _, row in rows),
        columns=None if header is None else tuple(header[k] for k in others),
        cells=[[row[k] for k in others] for _, row in rows],
    )


def read_ids(path: Path) -> list[str]:
    """Read the clip ids of a csv, in order: from the column that its header names, or the first.

    Raises:
        ArchiveError: It is missing, not UTF-8, or no csv.
        FormatError: It is empty, or a clip comes twice.
    """
    table = read_table(path)
    ids = table.ids or _once(table.where, tuple(row[0] for row in table.cells))
    return list(ids or ())


def read_labels(path: Path, num_classes: int) -> dict[str, int]:
    """Read the labels of a csv as `read_labels_and_videos` does: clip -> class index."""
    return read_labels_and_videos(path, num_classes)[0]


def read_labels_and_videos(path: Path, num_classes: int) -> tuple[dict[str, int], dict[str, str]]:
    """Read a csv with the columns clip id, label and perhaps video.

    Returns:
        Clip -> class index, and clip -> video, empty where no column `video` says it.

    Raises:
        ArchiveError: It is missing, not UTF-8, or no csv; or a label is no class.
        ManyFaults: Every row whose label is no class.
        FormatError: The columns are not clips and labels, or a clip comes twice.
    """
    table = read_table(path)
    ids, told = table.ids, table.labels
    rest = list(zip(*table.cells, strict=True))
    names = [name.lower() for name in table.columns or ()]
    # Only where the header names the ids: else the first column holds them, whatever its name.
    videos = rest.pop(names.index(VIDEO)) if ids is not None and VIDEO in names else ()
    # Where the header does not say, the only order there is: clip, label.
    if ids is None and rest:
        ids = _once(table.where, rest.pop(0))
    if told is None and rest:
        told = rest.pop(0)
    if ids is None or told is None or rest:
        found = ",".join(table.columns or table.cells[0])[:60]
        expected = "clip_id,label, and perhaps video"
        raise FormatError(path, "not clips and their labels", expected=expected, found=found)
    labels, faults = {}, FaultList()
    for where, clip, cell in zip(table.where, ids, told, strict=True):
        with faults.collected():
            labels[clip] = _class(where, cell, num_classes)
    faults.raise_any(path)
    return labels, dict(zip(ids, videos, strict=False))


def _class(where: str, cell: str, num_classes: int) -> int:
    # pandas writes 7.0 where another row of the column was empty once.
    label = whole_number(where, "the label", cell.removesuffix(".0"))
    if not 0 <= label < num_classes:
        expected = f"a label from 0 to {num_classes - 1}"
        raise FormatError(where, "no class", expected=expected, found=str(label))
    return label


def _once(where: Sequence[str], ids: tuple[str, ...] | None) -> tuple[str, ...] | None:
    first: dict[str, str] = {}
    for place, clip in zip(where, ids or (), strict=ids is not None):
        if not clip:
            raise FormatError(place, "names no clip")
        once_each(first, clip, place)
    return ids


def class_order(columns: Sequence[str], classes: Sequence[str]) -> list[int] | None:
    """Find the column of each class by name or number; None where the header tells neither.

    Raises:
        ValueError: Some columns are classes and others are not; the message names one.
    """
    place = {name: k for k, name in enumerate(columns)}
    if not place.keys() - set(classes):
        return [place[name] for name in classes]
    if known := place.keys() & set(classes):
        odd = sorted(place.keys() - known)[0]
        raise ValueError(f"the column '{odd}' is no class, but '{sorted(known)[0]}' is")
    matches = [NUMBERED.fullmatch(name) for name in columns]
    numbers = [int(match[1]) for match in matches if match]
    count = len(columns)
    # Counted from 1 only where no column is 0: the highest class says the same.
    for base in (0, 1):
        if sorted(numbers) == list(range(base, base + count)):
            return [numbers.index(k) for k in range(base, base + count)]
    return None


def is_number(text: str) -> bool:
    """Tell whether a cell is a number. "0054_0" is none but a clip of iMiGUE: Python reads 540."""
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _is_header(row: list[str]) -> bool:
    words = [cell.lower() for cell in row]
    if {*words} & {*ID_COLUMNS, *LABEL_COLUMNS}:
        return True
    for cells in (words, words[1:]):
        counts = [str(k) for k in range(len(cells))], [str(k + 1) for k in range(len(cells))]
        if len(cells) >= FEWEST_NUMBERED and cells in counts:
            return True
    return len(words) > 1 and not any(map(is_number, words[1:]))


def _places(
    header: list[str] | None, rows: list[tuple[str, list[str]]]
) -> tuple[int | None, int | None, int | None]:
    """Find the columns of ids, of labels, and of row numbers, which say nothing."""
    if header is None:
        return (None if is_number(rows[0][1][0]) else 0), None, None
    words = [name.lower() for name in header]
    id_place = next((words.index(name) for name in ID_COLUMNS if name in words), None)
    label_place = next((words.index(name) for name in LABEL_COLUMNS if name in words), None)
    counted = [row[0] for _, row in rows] == [str(k) for k in range(len(rows))]
    if words[0] in INDEX_COLUMNS and (id_place is not None or counted):
        return id_place, label_place, 0
    # A first column of any other name holds ids if it holds no numbers.
    if (
        id_place is None
        and label_place != 0
        and (words[0] in INDEX_COLUMNS or not all(is_number(row[0]) for _, row in rows))
    ):
        id_place = 0
    return id_place, label_place, None
