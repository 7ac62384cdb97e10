"""How two submissions of one challenge differ."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from benchmark.core.errors import MismatchError, SubmissionError
from submission.leaderboard.checks import INTEGER, bytes_of, text_of

if TYPE_CHECKING:
    from pathlib import Path

MOVES = 10
"""Pairs of answers that the summary names."""


class Differences(NamedTuple):
    """Clips that two files answer differently."""

    clips: int
    """Of both files."""
    different: int
    """Any column differs."""
    moves: tuple[tuple[str, str, int], ...]
    """(answer of the first, of the second, clips) of one column, the most frequent first."""


def differences(one: Path, two: Path, *, column: int = 0) -> Differences:
    """Compare clip by clip; `one` and `two` are CSV files or zips of one.

    `column`, counted after the clip id, is the one whose moves are listed.

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
    other = [clip for clip in first if first[clip] != second[clip]]
    moves = Counter((first[clip][column], second[clip][column]) for clip in other)
    ordered = sorted(moves.items(), key=lambda item: (-item[1], item[0]))
    changed = tuple((a, b, clips) for (a, b), clips in ordered if a != b)
    return Differences(len(first), len(other), changed)


def _read(path: Path, column: int) -> dict[str, list[str]]:
    """Clip id -> its cells."""
    faults, data = bytes_of(path, None)
    text = None
    if data is not None:
        more, text = text_of(path.name, data)
        faults += more
    if text is None:
        raise SubmissionError(path, f"cannot be read: {faults[0]}")
    rows = [line.split(",") for line in text.removesuffix("\n").split("\n")]
    if not any(INTEGER.fullmatch(cell) for cell in rows[0][1:]):
        rows = rows[1:]
    short = [row for row in rows if len(row) < column + 2]
    if not rows or short:
        raise SubmissionError(path, "not a submission", expected="lines 'clip id,label'")
    found = {row[0]: row[1:] for row in rows}
    if len(found) < len(rows):
        raise SubmissionError(path, "a clip comes twice", do="See 'mgbench submit check'")
    return found
