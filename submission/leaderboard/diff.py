"""Compare two submissions of one challenge."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from benchmark.contracts.foreign_table import is_number
from benchmark.core.errors import MismatchError, SubmissionError
from benchmark.core.text_files import once_each
from submission.leaderboard.checks import bytes_of, text_of

MOVES = 10
"""Pairs of labels that the summary names."""


class Differences(NamedTuple):
    """Clips that two files label differently."""

    clips: int
    """Clips of each file."""
    different: int
    """Clips with a difference in any column."""
    moves: tuple[tuple[str, str, int], ...]
    """(label in the first, in the second, clips) of one column, the most frequent first."""


def differences(one: Path, two: Path, *, column: int = 0) -> Differences:
    """Compare clip by clip; `one` and `two` are CSV files or zips of one.

    `moves` describes `column`, counted after the clip id.

    Raises:
        SubmissionError: A file is no submission.
        MismatchError: They are of different clips, or have different columns.
    """
    first, second = _read(one, column), _read(two, column)
    if first.keys() != second.keys():
        clip = sorted(first.keys() ^ second.keys())[0]
        raise MismatchError(
            two, f"not the clips of {one}", expected=f"{len(first)} clips",
            found=f"{len(second)}; the first that differs is {clip}",
        )  # fmt: skip
    different = [clip for clip in first if first[clip] != second[clip]]
    moves = Counter((first[clip][column], second[clip][column]) for clip in different)
    ordered = sorted(moves.items(), key=lambda item: (-item[1], item[0]))
    changed = tuple((a, b, clips) for (a, b), clips in ordered if a != b)
    return Differences(len(first), len(different), changed)


def _read(path: Path, column: int) -> dict[str, list[str]]:
    """Read a file as clip id -> cells after it, at least up to `column`."""
    faults, data = bytes_of(path, None)
    text = None
    if data is not None:
        encoding_faults, text = text_of(path.name, data)
        faults += encoding_faults
    if text is None:
        raise SubmissionError(path, f"cannot be read: {faults[0]}")
    rows = [line.split(",") for line in text.removesuffix("\n").split("\n")]
    # Files of any program and challenge are welcome, so a first line without a number is a header.
    first = 1 if any(is_number(cell) for cell in rows[0][1:]) else 2
    cells: dict[str, list[str]] = {}
    places: dict[str, str] = {}
    for number, row in enumerate(rows[first - 1 :], first):
        where = f"{path} line {number}"
        if len(row) < column + 2:
            raise SubmissionError(where, "not a prediction", expected="'clip id,label'")
        once_each(places, row[0], where)
        # 25.0 is the class 25.
        cells[row[0]] = [cell.strip().removesuffix(".0") for cell in row[1:]]
    if not cells:
        raise SubmissionError(path, "not a submission", expected="lines 'clip id,label'")
    return cells
