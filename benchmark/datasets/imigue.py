"""The raw archives of the iMiGUE challenge (MiGA track 1) -> the index, and OpenPose sheets.

Source: layout and conventions of https://github.com/momiji-bit/MM-Gesture and the MiGA readers.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmark.clips import Clip, Clips
from benchmark.errors import ArchiveError
from benchmark.video import VideoInfo, probe
from benchmark.workers import map_in_processes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.editions import Edition, Split

NUM_POINTS = 137
"""OpenPose: body 25, face 70, hands 2 x 21."""
NON_GESTURE = 99
"""Raw class of illustrative, non-micro gestures; the last class index."""

SKELETON_FOLDERS: dict[Split, str] = {
    "train": "imigue_data_phase1/datasets/imigue_skeleton_train",
    "val": "imigue_data_phase1/datasets/imigue_skeleton_validate",
    "test": "imigue_data_phase2/imigue_skeleton_test",
}
RGB_FOLDERS: dict[Split, str] = {
    "train": "imigue_rgb_phase1/train_data",
    "val": "imigue_rgb_phase1/validation_data",
    "test": "imigue_rgb_phase2",
}


@dataclass(frozen=True)
class RawVideo:
    """Where the three files of one long video lie."""

    video: str
    split: Split
    sheet: Path
    labels: Path
    media: Path


@dataclass(frozen=True)
class RawLabel:
    """One row of a label csv: raw class, first and last frame, both included, 0-based."""

    raw_class: int
    first: int
    last: int


def raw_videos(root: Path) -> list[RawVideo]:
    """Every video of the unpacked archives, sorted by split and video.

    Raises:
        ArchiveError: A folder or file is missing, or a video is in two splits.
    """
    videos: list[RawVideo] = []
    for split, folder in SKELETON_FOLDERS.items():
        skeleton, rgb = root / folder, root / RGB_FOLDERS[split]
        for place in (skeleton, rgb):
            if not place.is_dir():
                raise ArchiveError(place, "no such folder", do="Unpack the archives of " + split)
        names = sorted(path.name for path in skeleton.iterdir() if path.is_dir())
        foreign = sorted({p.name for p in rgb.iterdir() if p.is_dir()} ^ set(names))
        if foreign:
            raise ArchiveError(
                rgb,
                f"{len(foreign)} video(s) have only one of skeleton and RGB, first {foreign[0]}",
                expected=f"the {len(names)} folders of {skeleton}",
            )
        videos += [_raw_video(name, split, skeleton, rgb) for name in names]
    _check_disjoint(root, videos)
    return videos


def _raw_video(name: str, split: Split, skeleton: Path, rgb: Path) -> RawVideo:
    video = RawVideo(
        video=name,
        split=split,
        sheet=skeleton / name / f"{name}_openpose.xlsx",
        labels=skeleton / name / f"{name}_label.csv",
        media=rgb / name / f"{name}.mp4",
    )
    for path in (video.sheet, video.labels, video.media):
        if not path.is_file():
            raise ArchiveError(path, "no such file", do=f"Unpack video {name} of {split} again")
    return video


def _check_disjoint(root: Path, videos: list[RawVideo]) -> None:
    seen: dict[str, str] = {}
    for video in videos:
        if seen.setdefault(video.video, video.split) != video.split:
            raise ArchiveError(
                root,
                f"video {video.video} is in two splits",
                expected="videos disjoint between splits",
                found=f"{seen[video.video]} and {video.split}",
            )


def read_labels(path: Path, *, num_classes: int) -> list[RawLabel]:
    """The rows of a label csv, in file order: row k is clip `<video>_<k>`.

    Raises:
        ArchiveError: A row is not three integers, has an unknown class, or ends before it starts.
    """
    labels = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            labels.append(_parse_label(f"{path} line {number}", row, num_classes))
    if not labels:
        raise ArchiveError(path, "no rows", expected="one row a clip: class,start,end")
    return labels


def _parse_label(where: str, row: list[str], num_classes: int) -> RawLabel:
    try:
        raw_class, first, last = (int(cell) for cell in row)
    except ValueError:
        expected = "three integers: class,start,end"
        raise ArchiveError(where, "not a label", expected=expected, found=",".join(row)) from None
    if not (1 <= raw_class < num_classes or raw_class == NON_GESTURE):
        expected = f"1 to {num_classes - 1} or {NON_GESTURE}"
        raise ArchiveError(where, "unknown class", expected=expected, found=str(raw_class))
    if not 0 <= first <= last:
        raise ArchiveError(
            where,
            "ends before it starts",
            expected="0 <= start <= end",
            found=f"start {first}, end {last}",
        )
    return RawLabel(raw_class, first, last)


def class_index(raw_class: int, *, num_classes: int) -> int:
    """Raw class 1..31 or 99 -> class index 0..31."""
    return num_classes - 1 if raw_class == NON_GESTURE else raw_class - 1


def read_archive(root: Path, edition: Edition, *, workers: int) -> Clips:
    """Index the unpacked archives under `root`: every clip of every split.

    Labels of withheld splits are never looked at beyond their shape: the class column there
    holds placeholders.

    Raises:
        ArchiveError: Anything in the archive is missing, damaged or contradicts itself.
    """
    videos = raw_videos(root)
    index_video = partial(_index_video, edition=edition)
    found = map_in_processes(index_video, videos, what="index videos", workers=workers)
    clips = Clips(edition.name, tuple(clip for rows in found for clip in rows))
    _check_counts(root, clips, edition)
    return clips


def _index_video(video: RawVideo, *, edition: Edition) -> list[Clip]:
    num_classes = len(edition.classes)
    labels = read_labels(video.labels, num_classes=num_classes)
    info = probe(video.media)
    withheld = video.split in edition.withheld
    clips = []
    for k, label in enumerate(labels):
        _check_inside(video, k, label, info)
        index = class_index(label.raw_class, num_classes=num_classes)
        clips.append(
            Clip(
                clip_id=f"{video.video}_{k}",
                video=video.video,
                subject=None,
                split=video.split,
                label=None if withheld else index,
                start_frame=label.first,
                end_frame=label.last + 1,
                fps=info.fps,
                width=info.width,
                height=info.height,
            )
        )
    return clips


def _check_inside(video: RawVideo, k: int, label: RawLabel, info: VideoInfo) -> None:
    if label.last >= info.frames:
        raise ArchiveError(
            f"{video.labels} line {k + 1}",
            f"clip {video.video}_{k} ends past the video",
            expected=f"end <= {info.frames - 1} ({video.media.name} has {info.frames} frames)",
            found=f"end {label.last}",
        )


def _check_counts(root: Path, clips: Clips, edition: Edition) -> None:
    for split, counts in (edition.counts or {}).items():
        rows = clips.split(split)
        found = (len(set(rows.videos)), len(rows))
        if found != (counts.videos, counts.clips):
            raise ArchiveError(
                root,
                f"split {split} is not as published",
                expected=f"{counts.videos} videos, {counts.clips} clips",
                found=f"{found[0]} videos, {found[1]} clips",
            )


def read_openpose(path: Path) -> NDArray[np.float32]:
    """Keypoints of one video: float32 (frames, 137, 3) of x px, y px, confidence 0..1.

    Raises:
        ArchiveError: Not a sheet, not 411 columns, or a cell is no number.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        # zipfile.BadZipFile and KeyError do not come out of calamine: it has its own error.
        rows = (
            CalamineWorkbook.from_path(str(path))
            .get_sheet_by_index(0)
            .to_python(skip_empty_area=False)
        )
    except CalamineError as error:
        raise ArchiveError(path, f"not a readable xlsx ({error})") from None
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
