"""Intervals: gestures in whole videos, as annotators labeled them or as a system found them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmark.contracts.parquet import TableFormat, columns
from benchmark.core.errors import FormatError, MismatchError

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips

COLUMNS = columns(
    video=pa.string(), start_frame=pa.float64(), end_frame=pa.float64(), label=pa.int16(),
    score=pa.float64(),
)  # fmt: skip
FORMAT = TableFormat(
    "intervals/1", "a file of intervals", COLUMNS,
    ("edition", "split", "source", "classes", "videos", "least"),
)  # fmt: skip


@dataclass(frozen=True)
class Intervals:
    """Gestures in the videos of one split: N rows, those of one video in any order.

    Frames are half-open and may be fractions of a frame. Rows may overlap.
    """

    edition: str
    split: str
    source: str
    """The system that found them, or `labels`."""
    classes: tuple[str, ...]
    videos: tuple[str, ...]
    """Every video that was looked at, also those without a row."""
    video: NDArray[np.int64]
    """Place in `videos`, (N,)."""
    start: NDArray[np.float64]
    """First frame, 0-based, (N,)."""
    end: NDArray[np.float64]
    """The frame after the last one, (N,)."""
    label: NDArray[np.int64]
    """Class index, (N,)."""
    score: NDArray[np.float64]
    """How sure the system is, (N,): any finite number, higher is surer; 1 for labels."""
    least: tuple[float, ...] = ()
    """Score of each class from which on a row counts as found; empty where every row does."""

    def __len__(self) -> int:
        return len(self.video)

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> Intervals:
        """Keep some rows, in the order of `chosen`."""
        names = ("video", "start", "end", "label", "score")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})

    def sure(self) -> Intervals:
        """Keep the rows that count as found."""
        if not self.least:
            return self
        return self.rows(self.score >= np.array(self.least)[self.label])

    def on(self, videos: Sequence[str]) -> Intervals:
        """Return the same rows with `videos` as the list of videos.

        Raises:
            MismatchError: A row lies in a video that is not among them.
        """
        place = {name: k for k, name in enumerate(videos)}
        if odd := sorted({self.videos[k] for k in np.unique(self.video)} - place.keys()):
            raise MismatchError(
                f"intervals of {self.source} on {self.split}",
                f"{len(odd)} video(s) are not of the split, the first is {odd[0]}",
                expected=f"{len(videos)} videos, such as {videos[0]}" if videos else "no video",
            )
        number = np.array([place.get(name, -1) for name in self.videos], np.int64)
        moved = number[self.video] if len(self) else self.video
        return replace(self, videos=tuple(videos), video=moved)


def labeled(clips: Clips, label: NDArray[np.int64], classes: Sequence[str]) -> Intervals:
    """Take the labeled intervals of one split from its index.

    `label` is the class index of each of the `clips`, int64 (N,); `classes` are the names.
    """
    videos = tuple(dict.fromkeys(clips.videos))
    place = {name: k for k, name in enumerate(videos)}
    return Intervals(
        clips.edition, clips.rows[0].split if clips.rows else "none", "labels", tuple(classes),
        videos,
        np.array([place[clip.video] for clip in clips], np.int64),
        np.array([clip.start_frame for clip in clips], np.float64),
        np.array([clip.end_frame for clip in clips], np.float64),
        np.asarray(label, np.int64), np.ones(len(clips)),
    )  # fmt: skip


def check_intervals(found: Intervals, *, where: object) -> None:
    """Raise `FormatError` unless every row is an interval of a class."""
    numbers = np.stack([found.start, found.end, found.score])
    faults = {
        "not finite": ~np.isfinite(numbers).all(0),
        "starts before frame 0": found.start < 0,
        "no time in it": found.end <= found.start,
        "unknown class": (found.label < 0) | (found.label >= len(found.classes)),
    }
    for wrong, bad in faults.items():
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise FormatError(
                where, f"{wrong} in {int(bad.sum())} row(s), the first is row {row + 1}",
                expected=f"0 <= start < end, classes 0 to {len(found.classes) - 1}",
                found=f"video {found.videos[found.video[row]]}, {found.start[row]:g} to"
                f" {found.end[row]:g}, class {found.label[row]}, score {found.score[row]:g}",
            )  # fmt: skip


def write_intervals(found: Intervals, path: Path) -> None:
    """Check the intervals and write them as parquet; equal contents give equal bytes.

    Raises:
        FormatError: A row is no interval.
    """
    check_intervals(found, where=path)
    arrays = [
        pa.array([found.videos[k] for k in found.video], pa.string()), pa.array(found.start),
        pa.array(found.end), pa.array(found.label.astype(np.int16)), pa.array(found.score),
    ]  # fmt: skip
    FORMAT.write(
        pa.table(arrays, schema=COLUMNS), path, edition=found.edition, split=found.split,
        source=found.source, classes=json.dumps(found.classes), videos=json.dumps(found.videos),
        least=json.dumps(found.least),
    )  # fmt: skip


def read_intervals(path: Path) -> Intervals:
    """Read and check a file of intervals.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    table, told = FORMAT.read(path, do="Run 'dvc repro' for the stage that makes it")
    videos = tuple(json.loads(told["videos"]))
    place = {name: k for k, name in enumerate(videos)}
    names = table["video"].to_pylist()
    if lone := sorted({*names} - place.keys()):
        raise FormatError(path, f"a row of video {lone[0]}, which the file does not list")
    start, end, label, score = (table[name].to_numpy() for name in COLUMNS.names[1:])
    found = Intervals(
        told["edition"], told["split"], told["source"], tuple(json.loads(told["classes"])), videos,
        np.array([place[name] for name in names], np.int64), start, end, label.astype(np.int64),
        score, tuple(json.loads(told["least"])),
    )  # fmt: skip
    check_intervals(found, where=path)
    return found
