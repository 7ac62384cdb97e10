"""The raw archives of the iMiGUE challenge (MiGA track 1): zips as published, or unpacked.

Source: layout and conventions of https://github.com/momiji-bit/MM-Gesture and the MiGA readers.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from benchmark.archives.archive import Archive
from benchmark.archives.keypoints import Sheets
from benchmark.archives.raw_files import RawFile, Tree, is_unreadable, open_tree, probe_raw
from benchmark.contracts.clips import Clip, Clips
from benchmark.core.errors import ArchiveError, FaultList, one_per_line
from benchmark.core.text_files import read_rows, whole

if TYPE_CHECKING:
    from benchmark.editions.edition import Edition
    from benchmark.editions.splits import Split

NON_GESTURE = 99
"""Raw class of illustrative, non-micro gestures; the last class index."""


class Place(NamedTuple):
    """Where the folders of a split's videos lie: in `folder`, which `archive` unpacks to."""

    folder: str
    archive: str
    sub: str


# The organizers' names: the zip of a "skeleton" unpacks to "data", only phase 1 has "datasets".
SKELETONS: dict[Split, Place] = {
    "train": Place(
        "imigue_data_phase1", "imigue_skeleton_phase1.zip", "datasets/imigue_skeleton_train/"
    ),
    "val": Place(
        "imigue_data_phase1", "imigue_skeleton_phase1.zip", "datasets/imigue_skeleton_validate/"
    ),
    "test": Place("imigue_data_phase2", "imigue_skeleton_phase2.zip", "imigue_skeleton_test/"),
}
MOVIES: dict[Split, Place] = {
    "train": Place("imigue_rgb_phase1", "imigue_rgb_phase1.zip", "train_data/"),
    "val": Place("imigue_rgb_phase1", "imigue_rgb_phase1.zip", "validation_data/"),
    "test": Place("imigue_rgb_phase2", "imigue_rgb_phase2.zip", ""),
}


class Imigue(Archive):
    """iMiGUE: long videos, per video one sheet of keypoints and one list of labeled intervals."""

    dataset: ClassVar[str] = "imigue"

    def index(self, *, excluded: Collection[str], workers: int) -> Clips:
        # In a withheld split the class column holds placeholders: no number of it gets in.
        return self._index_each(_index_video, raw_videos(self.root), excluded, workers)

    def video_files(self) -> dict[str, RawFile]:
        return {video.video: video.movie for video in raw_videos(self.root)}

    def keypoints(self) -> Sheets:
        return Sheets({video.video: video.sheet for video in raw_videos(self.root)})


class RawVideo(NamedTuple):
    """Where the three files of one long video lie."""

    video: str
    split: Split
    sheet: RawFile
    labels: RawFile
    movie: RawFile


class RawLabel(NamedTuple):
    """One row of a label csv: raw class, first and last frame, both included, 0-based."""

    raw_class: int
    first: int
    last: int


def raw_videos(root: Path) -> list[RawVideo]:
    """List every video of the archives, in the order train, val, test and then by name.

    Raises:
        ArchiveError: Whole archives are missing, or are not what they should be.
        ManyFaults: Every file that is missing, every video that is in two splits.
    """
    trees = _open_trees(root)
    videos: list[RawVideo] = []
    faults = FaultList()
    for split in SKELETONS:
        with faults.collected():
            videos += _split_videos(trees, split, faults)
    with faults.collected():
        _check_disjoint(root, videos)
    faults.raise_any(root)
    return videos


def _open_trees(root: Path) -> dict[str, Tree]:
    """Map the name of each archive to what it unpacks to."""
    places = {place.archive: place for place in (*SKELETONS.values(), *MOVIES.values())}
    trees: dict[str, Tree] = {}
    faults = FaultList()
    for place in places.values():
        with faults.collected():
            trees[place.archive] = open_tree(root, place.folder, place.archive)
    if faults.errors:  # not `ManyFaults`, which gets the advice to exclude videos
        raise ArchiveError(root, one_per_line(faults.errors))
    return trees


def _split_videos(trees: dict[str, Tree], split: Split, faults: FaultList) -> list[RawVideo]:
    skeletons = trees[SKELETONS[split].archive]
    movies = trees[MOVIES[split].archive]
    names = skeletons.folders(SKELETONS[split].sub)
    # One of the two without the other: a zip of another release, or one that is not whole.
    if lone := sorted({*movies.folders(MOVIES[split].sub)} ^ {*names}):
        raise ArchiveError(
            f"{movies}/{MOVIES[split].sub}",
            f"{len(lone)} video(s) of {split} have only one of skeleton and RGB: {_first(lone)}",
            expected=f"the {len(names)} folders of {skeletons}/{SKELETONS[split].sub}",
        )
    videos = []
    for name in names:
        with faults.collected():
            below = f"{SKELETONS[split].sub}{name}/{name}"
            sheet, labels = (
                skeletons.file(f"{below}_{end}") for end in ("openpose.xlsx", "label.csv")
            )
            movie = movies.file(f"{MOVIES[split].sub}{name}/{name}.mp4")
            videos.append(RawVideo(name, split, sheet, labels, movie))
    return videos


def _check_disjoint(root: Path, videos: list[RawVideo]) -> None:
    split_of: dict[str, str] = {}
    leaked = [v.video for v in videos if split_of.setdefault(v.video, v.split) != v.split]
    if leaked:
        raise ArchiveError(
            root,
            f"{len(leaked)} video(s) are in two splits: {_first(leaked)}",
            expected="videos disjoint between splits",
            do="The train list of MiGA 2023 holds the ten validation videos too: take the files "
            "of 2025",
        )


def _first(names: list[str]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")


def read_labels(path: Path, *, num_classes: int | None) -> list[RawLabel]:
    """Read the rows of a label csv, in file order: row k is clip `<video>_<k>`.

    Without `num_classes` the class column is a placeholder and may hold any number.

    Raises:
        ManyFaults: Rows that are not three integers, have an unknown class, or end before they
            start.
    """
    labels = []
    faults = FaultList()
    for where, row in read_rows(path):
        with faults.collected():
            labels.append(_parse_label(where, row, num_classes))
    if not labels and not faults.errors:
        raise ArchiveError(path, "no rows", expected="one row per clip: class,start,end")
    faults.raise_any(path)
    return labels


def _parse_label(where: str, row: list[str], num_classes: int | None) -> RawLabel:
    numbers = [number for cell in row if (number := whole(cell)) is not None]
    if len(row) != 3 or len(numbers) != 3:
        expected = "three integers: class,start,end"
        raise ArchiveError(where, "not a label", expected=expected, found=",".join(row)[:80])
    raw_class, first, last = numbers
    is_known = num_classes is None or 1 <= raw_class < num_classes or raw_class == NON_GESTURE
    if num_classes is not None and not is_known:
        expected = f"1 to {num_classes - 1} or {NON_GESTURE}"
        raise ArchiveError(where, "unknown class", expected=expected, found=str(raw_class))
    if not 0 <= first <= last:
        raise ArchiveError(
            where, "ends before it starts", expected="0 <= start <= end",
            found=f"start {first}, end {last}",
        )  # fmt: skip
    return RawLabel(raw_class, first, last)


def class_index(raw_class: int, *, num_classes: int) -> int:
    """Convert a raw class, 1..31 or 99, to a class index, 0..31."""
    return num_classes - 1 if raw_class == NON_GESTURE else raw_class - 1


def _index_video(video: RawVideo, *, edition: Edition, excluded: frozenset[str]) -> list[Clip]:
    num_classes = len(edition.classes)
    # Nothing of a withheld split's class column is looked at: it holds placeholders.
    withheld = video.split in edition.withheld
    with video.labels.local() as path:
        labels = read_labels(path, num_classes=None if withheld else num_classes)
    info = probe_raw(video.movie, excluded=video.video in excluded)
    clips = []
    for k, label in enumerate(labels):
        if not is_unreadable(info) and label.last >= info.frames:
            raise ArchiveError(
                f"{video.labels} line {k + 1}", f"clip {video.video}_{k} ends past the video",
                expected=f"end <= {info.frames - 1} ({video.movie.name} has {info.frames} frames)",
                found=f"end {label.last}",
            )  # fmt: skip
        clips.append(
            Clip(
                clip_id=f"{video.video}_{k}", video=video.video, subject=None, split=video.split,
                label=None if withheld else class_index(label.raw_class, num_classes=num_classes),
                # The raw end is part of the clip, ours is not.
                start_frame=label.first, end_frame=label.last + 1, fps=info.fps, width=info.width,
                height=info.height, excluded=video.video in excluded,
            )
        )  # fmt: skip
    return clips
