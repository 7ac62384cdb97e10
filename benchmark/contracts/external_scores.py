"""Scores of other programs to probabilities: dumps of mmaction2 and PYSKL, plain arrays, CSV."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import softmax

from benchmark.contracts.predictions import TOLERANCE
from benchmark.contracts.safe_pickle import read_pickle
from benchmark.core.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SCORES = ("pred_score", "pred_scores")
"""Keys under which dumps of mmaction2 hold a clip's scores: since 1.2, and before."""
LABELS = ("gt_label", "gt_labels")
ID_COLUMNS = ("id", "clip_id", "vid")


class Scores(NamedTuple):
    """What a file tells of its clips."""

    p: NDArray[np.float64]
    """(N, K), as the file holds them."""
    ids: tuple[str, ...] | None
    """Clip ids; None if the file does not name its clips."""
    labels: tuple[int, ...] | None
    """Class indices; None if the file does not hold one per clip."""


def read_scores(path: Path, *, stream: str | None) -> Scores:
    """Read a file by its ending: .pkl or .pickle, .npy, .csv.

    `stream` chooses among the heads of a network that has several (rgb, pose).

    Raises:
        FormatError: The file is of none of these forms, is damaged, or wants to call something.
    """
    if not path.is_file():
        raise FormatError(path, "no such file")
    match path.suffix:
        case ".pkl" | ".pickle":
            return _of_dump(path, read_pickle(path), stream)
        case ".npy":
            try:
                table = np.load(path, allow_pickle=False)
            except (ValueError, EOFError) as error:
                raise FormatError(path, f"not plain numbers ({error})") from None
            return Scores(_matrix(path, table), None, None)
        case ".csv":
            return _of_csv(path)
        case ending:
            raise FormatError(path, f"ends in '{ending}'", expected=".pkl, .pickle, .npy or .csv")


def as_probabilities(
    scores: NDArray[np.float64], *, logits: bool, where: Path
) -> NDArray[np.float32]:
    """Turn scores (N, K) into rows that sum to 1: by softmax if they are `logits`.

    Raises:
        FormatError: The numbers are no probabilities, and nobody said that they are logits.
    """
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise FormatError(where, f"row {row} holds a number that is not finite")
    if logits:
        return softmax(scores, axis=1).astype(np.float32)
    sums = scores.sum(axis=1)
    bad = (scores < 0).any(axis=1) | (np.abs(sums - 1) > TOLERANCE)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise FormatError(
            where,
            f"{int(bad.sum())} of {len(bad)} rows are no probabilities, the first is row {row}",
            expected="numbers >= 0 that sum to 1",
            found=f"minimum {scores[row].min():.4g}, sum {sums[row]:.4g}",
            do="If they are logits, say --logits",
        )
    # Sums differ from 1 by the rounding of their writer: up to `TOLERANCE`.
    return (scores / sums[:, None]).astype(np.float32)


def read_ids(path: Path) -> list[str]:
    """Read the first column of a CSV without its header `Id`, `clip_id` or `vid`.

    Raises:
        FormatError: The file is missing or empty.
    """
    ids = [row[0].strip() for row in _rows(path) if row and row[0].strip()]
    if ids and ids[0].lower() in ID_COLUMNS:
        ids = ids[1:]
    if not ids:
        raise FormatError(path, "no ids")
    return ids


def _rows(path: Path) -> list[list[str]]:
    if not path.is_file():
        raise FormatError(path, "no such file")
    try:
        return list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise FormatError(path, f"not a CSV in UTF-8 ({error})") from None


def read_labels(path: Path, ids: Sequence[str]) -> NDArray[np.int64]:
    """Read the labels of the clips `ids` from a CSV `clip_id,label`: int64 (N,).

    Raises:
        FormatError: A clip has no label, or a line is not `clip_id,label`.
    """
    label_of: dict[str, int] = {}
    for line, row in enumerate(_rows(path), 1):
        if line == 1 and row and not row[-1].strip().lstrip("-").isdigit():
            continue  # a header, whatever its words
        try:
            clip, label = row
            label_of[clip] = int(label)
        except ValueError:
            raise FormatError(
                f"{path}, line {line}", "not a label", expected="clip_id,label",
                found=",".join(row)[:60],
            ) from None  # fmt: skip
    missing = [clip for clip in ids if clip not in label_of]
    if missing:
        raise FormatError(path, f"{len(missing)} clip(s) have no label, the first is {missing[0]}")
    return np.array([label_of[clip] for clip in ids], np.int64)


def _of_dump(path: Path, content: Any, stream: str | None) -> Scores:
    # One entry per clip: a dict of mmaction2, or an array of PYSKL.
    if not isinstance(content, list) or not content:
        raise FormatError(path, "not a list with one entry per clip", found=type(content).__name__)
    rows, labels = [], []
    for place, entry in enumerate(content):
        where = f"{path}, entry {place}"
        rows.append(_row(where, entry, stream))
        labels.append(_label(entry))
    if len({len(row) for row in rows}) != 1:
        raise FormatError(path, "clips differ in their number of classes")
    told = None if None in labels else tuple(int(label) for label in labels if label is not None)
    return Scores(_matrix(path, np.stack(rows)), None, told)


def _row(where: str, entry: Any, stream: str | None) -> NDArray[np.float64]:
    if isinstance(entry, dict):
        name = next((key for key in SCORES if key in entry), None)
        if name is None:
            keys = ", ".join(map(str, entry))
            raise FormatError(where, "no scores", expected=" or ".join(SCORES), found=keys)
        entry = entry[name]
    if isinstance(entry, dict) and set(entry) == {"item"}:  # mmaction2's LabelData before 1.2
        entry = entry["item"]
    if isinstance(entry, dict):
        if stream not in entry:
            raise FormatError(
                where, "several streams", expected="--stream " + " or ".join(map(str, entry)),
                found=str(stream),
            )  # fmt: skip
        entry = entry[stream]
    elif stream is not None:
        raise FormatError(where, f"has no streams, so no '{stream}'")
    try:
        row = np.asarray(entry, np.float64)
    except (TypeError, ValueError):
        raise FormatError(where, "not numbers", found=type(entry).__name__) from None
    return row.reshape(-1)


def _label(entry: Any) -> int | None:
    if not isinstance(entry, dict):
        return None
    value = next((entry[key] for key in LABELS if key in entry), None)
    if isinstance(value, dict):
        value = value.get("item")
    if value is None or np.size(value) != 1:
        return None
    return int(np.asarray(value).reshape(-1)[0])


def _of_csv(path: Path) -> Scores:
    # With a header or without. The first column names the clips if its header says so, or if it
    # holds no number.
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    named = bool(rows) and rows[0][0].strip().lower() in ID_COLUMNS
    if rows and not _is_number(rows[0][-1]):
        rows = rows[1:]
    if not rows:
        raise FormatError(path, "no rows")
    named = named or not _is_number(rows[0][0])
    values = [row[1:] if named else row for row in rows]
    for line, row in enumerate(values, 1):
        if len(row) != len(values[0]) or not all(map(_is_number, row)):
            raise FormatError(
                path, f"row {line} does not hold {len(values[0])} numbers", found=",".join(row)[:60]
            )
    ids = tuple(row[0] for row in rows) if named else None
    return Scores(_matrix(path, np.array(values, np.float64)), ids, None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # Python reads iMiGUE's clip id "0054_0" as 540


def _matrix(path: Path, table: NDArray[Any]) -> NDArray[np.float64]:
    if table.ndim != 2 or not len(table) or table.dtype.kind not in "fiu":
        raise FormatError(
            path, "not a table of numbers", expected="(clips, classes)",
            found=f"{table.dtype} {table.shape}",
        )  # fmt: skip
    return table.astype(np.float64)
