"""Scores of other programs: dumps of mmaction2 and PYSKL, plain arrays, CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.foreign_table import is_number, read_table
from benchmark.contracts.safe_pickle import read_pickle
from benchmark.core.errors import FormatError
from benchmark.core.foreign_file import load_array, stand_in

SCORES = ("pred_score", "pred_scores")
"""Keys under which dumps of mmaction2 hold a clip's scores: since 1.2, and before."""
LABELS = ("gt_label", "gt_labels")
NAMES = ("clip_id", "frame_dir", "filename", "video_id", "vid", "name")
"""Keys that name the clip of an entry: an id, a folder of frames or a video."""
HEADS = ("rgb", "pose")
"""Keys of an entry of PYSKL's two-headed dumps, which hold the scores themselves."""


class Scores(NamedTuple):
    """What a file tells of its clips."""

    p: NDArray[np.float64]
    """(N, K), as the file holds them."""
    ids: tuple[str, ...] | None
    """What the file calls its clips, perhaps by path; None if it does not name them."""
    labels: tuple[int | None, ...] | None
    """Class indices, None where a clip has not exactly one; None if the file holds no label."""
    columns: tuple[str, ...] | None
    """What the file calls its columns; None if it does not name them."""
    named_by: str
    """The key or column that names the clips; empty if there is none."""


def read_scores(path: Path, stream: str | None) -> Scores:
    """Read a file by its ending: .pkl or .pickle, .npy, .csv.

    `stream` chooses among the heads of a network that has several (rgb, pose).

    Raises:
        FormatError: The file is of none of these forms, is damaged, or wants to call something.
        ArchiveError: A csv is no text.
    """
    if not path.is_file():
        raise FormatError(path, "no such file")
    if instead := stand_in(path):
        raise FormatError(path, "no scores", found=instead, do="Fetch the file itself")
    match path.suffix.lower():
        case ".pkl" | ".pickle":
            return _of_dump(path, read_pickle(path), stream)
        case ".npy":
            try:
                table = load_array(path)
            except ValueError as error:
                raise FormatError(path, f"not plain numbers ({error})") from None
            return Scores(_matrix(path, table), None, None, None, "")
        case ".csv":
            return _of_csv(path)
        case ending:
            raise FormatError(path, f"ends in '{ending}'", expected=".pkl, .pickle, .npy or .csv")


def _of_dump(path: Path, content: Any, stream: str | None) -> Scores:
    # One entry per clip: a dict of mmaction2 or of PYSKL's two heads, or an array of PYSKL.
    if not isinstance(content, list) or not content:
        raise FormatError(path, "not a list with one entry per clip", found=type(content).__name__)
    rows, names, labels = [], [], []
    for place, entry in enumerate(content):
        where = f"{path}, entry {place}"
        rows.append(_row(where, entry, stream))
        names.append(_name(entry))
        labels.append(_label(where, entry))
    if len({len(row) for row in rows}) != 1:
        raise FormatError(path, "clips differ in their number of classes")
    if len(keys := {key for key, _ in names}) != 1:
        found = ", ".join(sorted(key or "none" for key in keys))
        raise FormatError(path, "entries name their clips by different keys", found=found)
    key = keys.pop()
    ids = tuple(name for _, name in names) if key else None
    told = None if {*labels} == {None} else tuple(labels)
    return Scores(_matrix(path, np.stack(rows)), ids, told, None, key)


def _row(where: str, entry: Any, stream: str | None) -> NDArray[np.float64]:
    if isinstance(entry, dict) and (heads := [key for key in HEADS if key in entry]):
        entry = {key: entry[key] for key in heads}
    elif isinstance(entry, dict):
        name = next((key for key in SCORES if key in entry), None)
        if name is None:
            keys = ", ".join(map(str, entry))[:80]
            raise FormatError(where, "no scores", expected=" or ".join(SCORES), found=keys)
        entry = entry[name]
    if isinstance(entry, dict) and set(entry) == {"item"}:  # mmaction2's LabelData before 1.2
        entry = entry["item"]
    if isinstance(entry, dict):
        if stream not in entry:
            raise FormatError(
                where, "several heads", expected="--head " + " or ".join(map(str, entry)),
                found=str(stream),
            )  # fmt: skip
        entry = entry[stream]
    elif stream is not None:
        raise FormatError(where, f"has no streams, so no '{stream}'")
    row = _numbers(where, "scores", entry)
    if row.ndim > 1 and len(row) != row.size and row.shape[0] != 1:
        raise FormatError(
            where, "several rows of scores, as of several views", expected="one row per clip",
            found=str(row.shape), do="Average them when you dump",
        )  # fmt: skip
    return row.reshape(-1)


def _name(entry: Any) -> tuple[str, str]:
    """Return the key that names the clip, and the name; empty if there is none."""
    for key in NAMES:
        value = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(value, str | int) and str(value).strip():
            return key, str(value).strip()
    return "", ""


def _label(where: str, entry: Any) -> int | None:
    keys = (key for key in LABELS if isinstance(entry, dict) and key in entry)
    value = entry[key] if (key := next(keys, None)) else None
    if isinstance(value, dict):
        value = value.get("item")
    if value is None:
        return None
    numbers = _numbers(where, "label", value).reshape(-1)
    # Several: a clip of several classes, of which none is the one to compare with.
    if numbers.size != 1:
        return None
    if not float(numbers[0]).is_integer():
        raise FormatError(where, "the label is no class", found=str(numbers[0]))
    return int(numbers[0])


def _numbers(where: str, what: str, value: Any) -> NDArray[np.float64]:
    try:
        array = np.asarray(value)
        if array.dtype.kind in "fiu":
            return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        pass
    found = f"{type(value).__name__} {value!r}"[:60]
    raise FormatError(where, f"the {what} are not numbers", found=found)


def _of_csv(path: Path) -> Scores:
    table = read_table(path)
    for where, row in zip(table.where, table.cells, strict=True):
        for place, cell in enumerate(row):
            if not is_number(cell):
                column = f"'{table.columns[place]}'" if table.columns else f"{place + 1} of scores"
                found = repr(cell[:40]) if cell else "an empty cell"
                raise FormatError(f"{where}, column {column}", "no number", found=found)
    labels = None
    if table.labels is not None:
        places = zip(table.where, table.labels, strict=True)
        labels = tuple(_csv_label(where, cell) for where, cell in places)
    p = _matrix(path, np.array(table.cells, np.float64))
    return Scores(p, table.ids, labels, table.columns, "its ids" if table.ids else "")


def _csv_label(where: str, cell: str) -> int:
    if not is_number(cell) or not float(cell).is_integer():
        raise FormatError(where, "the label is no class", found=repr(cell[:40]))
    return int(float(cell))


def _matrix(path: Path, table: NDArray[Any]) -> NDArray[np.float64]:
    if table.ndim != 2 or not len(table) or table.dtype.kind not in "fiu":
        raise FormatError(
            path, "not a table of numbers", expected="(clips, classes)",
            found=f"{table.dtype} {table.shape}",
        )  # fmt: skip
    return table.astype(np.float64)
