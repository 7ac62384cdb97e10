"""How two submissions of one challenge differ."""

from __future__ import annotations

import zipfile
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from benchmark.errors import MismatchError, SubmissionError

if TYPE_CHECKING:
    from pathlib import Path

MOVES = 10
"""Pairs of classes that the summary names."""


class Differences(NamedTuple):
    """Answers that two files give differently."""

    clips: int
    """Of both files."""
    different: int
    moves: tuple[tuple[str, str, int], ...]
    """(answer of the first, of the second, clips), the most frequent first."""


def differences(one: Path, two: Path, *, column: int = 0) -> Differences:
    """Compare the answers of one column; `one` and `two` are CSV files or zips of one.

    Raises:
        SubmissionError: A file is no submission.
        MismatchError: They are of different clips.
    """
    first, second = _read(one, column), _read(two, column)
    if first.keys() != second.keys():
        clip = sorted(first.keys() ^ second.keys())[0]
        raise MismatchError(
            two, f"not the clips of {one}", expected=f"{len(first)} clips",
            found=f"{len(second)}; the first that differs is {clip}",
        )  # fmt: skip
    moves = Counter((first[clip], second[clip]) for clip in first if first[clip] != second[clip])
    ordered = sorted(moves.items(), key=lambda item: (-item[1], item[0]))
    return Differences(len(first), moves.total(), tuple((a, b, clips) for (a, b), clips in ordered))


def _read(path: Path, column: int) -> dict[str, str]:
    """Clip id -> its answer."""
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                data = archive.read(archive.namelist()[0])
        else:
            data = path.read_bytes()
        lines = data.decode().splitlines()
    except (OSError, UnicodeDecodeError, zipfile.BadZipFile, IndexError) as error:
        raise SubmissionError(path, f"cannot be read ({error})") from None
    rows = [line.split(",") for line in lines]
    if not rows or any(len(row) < column + 2 for row in rows):
        raise SubmissionError(path, "not a submission", expected="lines 'clip id,label'")
    if not rows[0][1].isdecimal():
        rows = rows[1:]
    return {row[0]: row[column + 1] for row in rows}
