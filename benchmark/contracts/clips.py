"""The index: one row per clip, in the order in which the edition lists the clips."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmark.contracts.parquet import TableFormat, columns
from benchmark.core.errors import ArchiveError, FormatError
from benchmark.editions.splits import SPLITS, Split

if TYPE_CHECKING:
    from benchmark.editions.edition import Edition

SAFE_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
"""Clip ids name members of tars and files on any system."""


def plain_name(name: str) -> str:
    """Write a name in letters that a clip id may have, at most 80: the id adds a number."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)[-80:].lstrip(".-") or "video"


FASTEST = 1e6
"""No camera takes as many frames per second."""
COLUMNS = columns(
    clip_id=pa.string(), video=pa.string(), subject=pa.string(), split=pa.string(),
    label=pa.int16(), start_frame=pa.int32(), end_frame=pa.int32(), fps=pa.float64(),
    width=pa.int32(), height=pa.int32(), excluded=pa.bool_(), nullable=("subject", "label"),
)  # fmt: skip
FORMAT = TableFormat("clips/3", "an index", COLUMNS, ("edition",))


@dataclass(frozen=True)
class Clip:
    """One labeled interval of a video."""

    clip_id: str
    video: str
    subject: str | None
    split: Split
    label: int | None
    """Class index; None exactly in the splits that the edition withholds."""
    start_frame: int
    """First frame, 0-based."""
    end_frame: int
    """The frame after the last one."""
    fps: float
    width: int
    """Pixels of the raw video, turned upright; its keypoints are in the same unit."""
    height: int
    excluded: bool
    """The user continues without its damaged video: no prepared data, no probabilities, a guess."""

    @property
    def frames(self) -> int:
        return self.end_frame - self.start_frame


# Frozen: stages hand one index around, and its cached rows must stay those of `with_excluded`.
@dataclass(frozen=True)
class Clips:
    """The clips of one edition, all splits or one, in the edition's order.

    `with_excluded` holds all of them; everything else here omits the excluded clips.
    """

    edition: str
    with_excluded: tuple[Clip, ...]

    @cached_property
    def rows(self) -> tuple[Clip, ...]:
        """The clips that stages prepare, train on and answer."""
        return tuple(clip for clip in self.with_excluded if not clip.excluded)

    @property
    def excluded(self) -> tuple[Clip, ...]:
        """The clips of damaged videos that the user excludes."""
        return tuple(clip for clip in self.with_excluded if clip.excluded)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.rows)

    @property
    def ids(self) -> list[str]:
        """Clip ids in the edition's order."""
        return [clip.clip_id for clip in self.rows]

    @property
    def videos(self) -> list[str]:
        return [clip.video for clip in self.rows]

    def split(self, split: Split) -> Clips:
        return Clips(
            self.edition, tuple(clip for clip in self.with_excluded if clip.split == split)
        )

    def without(self, split: Split) -> Clips:
        kept = (clip for clip in self.with_excluded if clip.split != split)
        return Clips(self.edition, tuple(kept))

    def labels(self) -> NDArray[np.int64]:
        """Return the class index of each clip, int64 (N,).

        Raises:
            FormatError: A label is withheld here.
        """
        labels = []
        for clip in self.rows:
            if clip.label is None:
                where = f"clips of {self.edition}"
                raise FormatError(where, f"the label of {clip.clip_id} is withheld")
            labels.append(clip.label)
        return np.array(labels, np.int64)


def index_file(edition: str, root: Path = Path()) -> Path:
    """Return where the project in `root` keeps the index of an edition."""
    return root / "data" / edition / "clips.parquet"


def write_clips(clips: Clips, path: Path, edition: Edition) -> None:
    """Check the index against the edition and write it as parquet.

    Raises:
        FormatError: The index is not sound for the edition.
    """
    check_clips(clips, edition, where=path)
    table = pa.Table.from_pylist([vars(clip) for clip in clips.with_excluded], schema=COLUMNS)
    FORMAT.write(table, path, edition=clips.edition)


def read_clips(path: Path, edition: Edition) -> Clips:
    """Read and check the index of `edition`.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    table, metadata = FORMAT.read(path, do=f"Run 'dvc repro index@{edition.name}'")
    # Checked again on reading: an edition's file may have changed since.
    rows = tuple(Clip(**row) for row in table.to_pylist())
    clips = Clips(metadata["edition"], rows)
    check_clips(clips, edition, where=path)
    return clips


def leaked_subjects(clips: Clips, allowed: Collection[str]) -> dict[str, list[str]]:
    """Find the persons who are in several splits, but for those `allowed`; person -> splits."""
    splits: dict[str, dict[str, None]] = {}
    for clip in clips.with_excluded:
        if clip.subject and clip.subject not in allowed:
            splits.setdefault(clip.subject, {})[clip.split] = None
    return {subject: [*found] for subject, found in sorted(splits.items()) if len(found) > 1}


def check_subjects(clips: Clips, allowed: Collection[str]) -> None:
    """Make sure that no person is in several splits, but for those `allowed`.

    Raises:
        ArchiveError: One is.
    """
    if leaked := leaked_subjects(clips, allowed):
        name, splits = next(iter(leaked.items()))
        raise ArchiveError(
            f"edition {clips.edition}", f"{len(leaked)} persons are in several splits",
            found=f"{name} in {' and '.join(splits)}",
            do="Draw the splits by person ('mgbench edition import --split-by subject'), or list"
            f" the persons in editions.{clips.edition}.shared_subjects of params.yaml",
        )  # fmt: skip


def frame_numbers(clips: Iterable[Clip]) -> set[int]:
    """List the frames of one video that at least one of its clips holds; clips may overlap."""
    return {number for clip in clips for number in range(clip.start_frame, clip.end_frame)}


def check_clips(clips: Clips, edition: Edition, *, where: Path) -> None:
    """Raise `FormatError` unless the index is sound for `edition`."""
    if clips.edition != edition.name:
        raise FormatError(where, "another edition's", expected=edition.name, found=clips.edition)
    if not clips.with_excluded:
        raise FormatError(where, "no clip in it")
    # One message per rule, not per clip: a program that breaks a rule breaks it in many rows.
    counts = Counter(clip.clip_id for clip in clips.with_excluded)
    faults = {
        "clip id twice": lambda clip: counts[clip.clip_id] > 1,
        "unknown split": lambda clip: clip.split not in SPLITS,
        "starts before frame 0": lambda clip: clip.start_frame < 0,
        "an unsafe clip id": lambda clip: not SAFE_ID.fullmatch(clip.clip_id),
        "no name of a video": lambda clip: not clip.video or not clip.video.isprintable(),
        "no size or rate": lambda clip: (
            not clip.excluded
            and not (clip.width > 0 and clip.height > 0 and 0 < clip.fps < FASTEST)
        ),
        "no frame in it": lambda clip: clip.end_frame <= clip.start_frame,
        "label past the classes": lambda clip: (clip.label or 0) >= len(edition.classes),
        "negative label": lambda clip: (clip.label or 0) < 0,
        "label in a withheld split": lambda clip: (
            clip.split in edition.withheld and clip.label is not None
        ),
        "label missing": lambda clip: clip.split not in edition.withheld and clip.label is None,
    }
    for wrong, is_bad in faults.items():
        if bad := [clip.clip_id for clip in clips.with_excluded if is_bad(clip)]:
            raise FormatError(where, f"{wrong} in {len(bad)} row(s), the first is {bad[0]}")
    _check_disjoint(clips, where)


def _check_disjoint(clips: Clips, where: Path) -> None:
    # Frames of one video look alike: in two splits they would give the answers away.
    split_of: dict[str, str] = {}
    for clip in clips.with_excluded:
        if split_of.setdefault(clip.video, clip.split) != clip.split:
            found = ", ".join(sorted({split_of[clip.video], clip.split}))
            raise FormatError(where, f"video {clip.video} is in several splits", found=found)
