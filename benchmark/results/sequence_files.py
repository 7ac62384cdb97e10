"""Intervals of other programs: OpenTAD's JSON, and one csv per sequence as MiGA 2023 took it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from benchmark.archives.imigue import NON_GESTURE, Imigue
from benchmark.contracts.intervals import Intervals, check_intervals, read_intervals
from benchmark.core.errors import ArchiveError, FaultList, FormatError, MismatchError
from benchmark.core.schema import read_json
from benchmark.core.text_files import read_rows, whole_number

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition

ENDING = "_prediction.csv"
"""Of the file of one sequence: rows `class,start,end`, frames as in the label files."""


class Sequences(NamedTuple):
    """The videos of one split, as files of intervals name them."""

    edition: Edition
    split: str
    fps: dict[str, float]
    """Video -> frames per second; every video of the split."""

    @classmethod
    def of(cls, edition: Edition, clips: Clips, split: str) -> Sequences:
        """List the videos of a split of the index."""
        return cls(edition, split, {c.video: c.fps for c in clips if c.split == split})


class _Found(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)

    segment: tuple[float, float]
    """Seconds."""
    label: str | int
    score: float


class _Results(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    results: dict[str, tuple[_Found, ...]]


def read_found(path: Path, sequences: Sequences, name: str) -> Intervals:
    """Read the intervals that another program found, by the form of the file.

    A folder holds a csv per sequence, .json is OpenTAD's (`result_detection.json`), .parquet ours.

    Raises:
        FormatError: The file has none of these forms, or a row is no interval.
        MismatchError: A video is not of the split, or lacks, or a class is none of the edition.
        ManyFaults: Every row of a csv that is not three whole numbers.
    """
    if path.is_dir():
        found = _of_folder(path, sequences, name)
    elif path.suffix == ".json":
        found = _of_opentad(path, sequences, name)
    elif path.suffix == ".parquet":
        found = read_intervals(path)
        if (found.edition, found.split) != (sequences.edition.name, sequences.split):
            wanted = f"{sequences.edition.name}, {sequences.split}"
            told = f"{found.edition}, {found.split}"
            raise MismatchError(path, "of other videos", expected=wanted, found=told)
    else:
        expected = f"a folder of *{ENDING}, OpenTAD's .json, or .parquet"
        raise FormatError(path, "not a file of intervals", expected=expected)
    check_intervals(found, where=path)
    return found.on(tuple(sequences.fps))


def _of_opentad(path: Path, sequences: Sequences, name: str) -> Intervals:
    told = read_json(path, _Results, what="OpenTAD's results", do="Give result_detection.json")
    classes, rows = sequences.edition.classes, []
    place = {label: k for k, label in enumerate(classes)}
    for video, each in told.results.items():
        if video not in sequences.fps:
            some = f"{len(sequences.fps)} videos, such as {next(iter(sequences.fps), 'none')}"
            wrong = f"not a video of {sequences.split}"
            raise MismatchError(f"{path}: {video}", wrong, expected=some)
        for one in each:
            label = one.label if isinstance(one.label, int) else place.get(one.label, -1)
            if not 0 <= label < len(classes):
                raise MismatchError(
                    f"{path}: {video}", "unknown class", found=repr(one.label),
                    expected=f"a class of {sequences.edition.name}, or 0 to {len(classes) - 1}",
                )  # fmt: skip
            start, end = (second * sequences.fps[video] for second in one.segment)
            rows.append((video, start, end, label, one.score))
    if lacking := [video for video in sequences.fps if video not in told.results]:
        raise MismatchError(
            path, f"lacks {len(lacking)} of {len(sequences.fps)} videos of {sequences.split}, the"
            f" first is {lacking[0]}", do="Give a video without any gesture an empty list",
        )  # fmt: skip
    return _intervals(rows, sequences, name)


def _of_folder(folder: Path, sequences: Sequences, name: str) -> Intervals:
    numbers = raw_numbers(sequences.edition)
    files = sorted(folder.glob(f"*{ENDING}"))
    videos = [file.name.removesuffix(ENDING) for file in files]
    if odd := sorted({*videos} ^ sequences.fps.keys()):
        raise MismatchError(
            folder, f"not one file per video of {sequences.split}, the first that differs is"
            f" {odd[0]}", expected=f"{len(sequences.fps)} files NAME{ENDING}",
            found=str(len(files)),
        )  # fmt: skip
    rows, faults = [], FaultList()
    for file, video in zip(files, videos, strict=True):
        for where, row in read_rows(file):
            with faults.collected():
                cells = [whole_number(where, "a cell", cell) for cell in row]
                if len(cells) != 3 or cells[0] not in numbers or not 0 <= cells[1] <= cells[2]:
                    expected = f"class,start,end with a class of {numbers[0]} to {numbers[-1]}"
                    found = ",".join(row)[:80]
                    raise ArchiveError(where, "not an interval", expected=expected, found=found)
                rows.append((video, cells[1], cells[2] + 1, numbers.index(cells[0]), 1.0))
    faults.raise_any(folder)
    return _intervals(rows, sequences, name)


def raw_numbers(edition: Edition) -> list[int]:
    """Return the number that the label files of a data set use for each class."""
    numbers = list(range(1, len(edition.classes) + 1))
    return [*numbers[:-1], NON_GESTURE] if edition.dataset == Imigue.dataset else numbers


def _intervals(
    rows: Sequence[tuple[str, float, float, int, float]], sequences: Sequences, name: str
) -> Intervals:
    videos = tuple(sequences.fps)
    place = {video: k for k, video in enumerate(videos)}
    numbers = np.array([row[1:] for row in rows], np.float64).reshape(-1, 4)
    return Intervals(
        sequences.edition.name, sequences.split, name, sequences.edition.classes, videos,
        np.array([place[row[0]] for row in rows], np.int64), numbers[:, 0], numbers[:, 1],
        numbers[:, 2].astype(np.int64), numbers[:, 3],
    )  # fmt: skip
