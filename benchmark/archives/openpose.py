"""Keypoints of OpenPose: sheets, and folders of JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.archives.sheet import read_sheet
from benchmark.core.errors import ArchiveError
from benchmark.core.foreign_file import what_is
from benchmark.core.isolated import isolated

NUM_POINTS = 137
"""OpenPose: body 25, face 70, hands 2 x 21."""
_LARGE = "Delete cells far from the others and texts, which a sheet of keypoints does not need"
_PARTS = {
    "pose_keypoints_2d": 25, "face_keypoints_2d": 70,
    "hand_left_keypoints_2d": 21, "hand_right_keypoints_2d": 21,
}  # fmt: skip
"""Keys of a person in OpenPose's JSON, in the order of the points, with their numbers."""
_NAME = re.compile(r"(.*?)([0-9]+)_keypoints\.json")


def read_openpose(path: Path) -> NDArray[np.float32]:
    """Read the keypoints of one video: float32 (frames, 137, 3) of x px, y px, confidence.

    `path` is a sheet (.xlsx), or the folder that OpenPose's `--write_json` wrote.

    Raises:
        ArchiveError: The file is no sheet or has not 411 columns, or a cell is no number; or the
            folder lacks a frame, or a file in it is not of BODY_25 or has two people.
    """
    if path.is_dir():
        return _read_folder(path)
    # A cell far from the others ends the process of the reader.
    return isolated(_read, path, error=ArchiveError, do=_LARGE)


def _read(path: Path) -> NDArray[np.float32]:
    rows = read_sheet(path, do=_LARGE)
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


def _first_text_cell(rows: Sequence[Sequence[object]]) -> tuple[str]:
    for number, row in enumerate(rows, start=1):
        for column, cell in enumerate(row, start=1):
            if not isinstance(cell, int | float):
                return (f"row {number}, column {column} is no number; found {cell!r}",)
    return ("a cell is no number",)


def _read_folder(folder: Path) -> NDArray[np.float32]:
    matches = [_NAME.fullmatch(path.name) for path in folder.iterdir()]
    numbers = sorted((match[1], int(match[2]), match[0]) for match in matches if match)
    if not numbers:
        raise ArchiveError(folder, "no keypoints in it", expected="*_keypoints.json, one per frame")
    for (stem, number, name), (other, after, _) in pairwise(numbers):
        if (other, after) != (stem, number + 1):
            raise ArchiveError(
                folder, f"no frame follows {name}", expected=f"{stem}{number + 1}",
                found=f"{other}{after}", do="Give one video's files, one per frame",
            )  # fmt: skip
    return np.stack([_read_json(folder / name) for _, _, name in numbers])


def _read_json(path: Path) -> NDArray[np.float32]:
    """Read the points of the one person in a frame: float32 (137, 3); 0 where there is none."""
    try:
        people: list[dict[str, Any]] = json.loads(path.read_bytes())["people"]
        points = [
            np.concatenate([person.get(key) or [0] * 3 * n for key, n in _PARTS.items()])
            for person in people
        ]
        points = [np.array(values, np.float32).reshape(-1, 3) for values in points]
        # Parts of other sizes may have as many points together, which would change places.
        sizes = [len(person.get(key) or []) // 3 for person in people for key in _PARTS]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ArchiveError(path, "not OpenPose's JSON", found=what_is(path)) from None
    if len(points) > 1:
        raise ArchiveError(
            path, "more than one person", expected="one", found=str(len(points)),
            do="Run OpenPose with '--number_people_max 1', or keep one person's points",
        )  # fmt: skip
    if points and any(size not in {0, n} for size, n in zip(sizes, _PARTS.values(), strict=True)):
        raise ArchiveError(
            path, "another number of points", found=", ".join(map(str, sizes)),
            expected=f"{', '.join(map(str, _PARTS.values()))} (BODY_25, face, hands)",
        )  # fmt: skip
    return points[0] if points else np.zeros((NUM_POINTS, 3), np.float32)
