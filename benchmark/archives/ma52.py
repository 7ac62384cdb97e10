"""Micro-Action 52: one short video per clip, listed split by split.

Source: https://github.com/VUT-HFUT/Micro-Action (arXiv 2403.05234).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from benchmark.archives.archive import Archive
from benchmark.archives.raw_files import RawFile, is_unreadable, open_tree, probe_raw
from benchmark.contracts.clips import Clip, Clips
from benchmark.core.errors import ArchiveError, FaultList
from benchmark.core.text_files import once_each, read_text, whole_number
from benchmark.editions.splits import SPLITS, Split

if TYPE_CHECKING:
    from benchmark.editions.edition import Edition

LIST = "{split}_list_videos.txt"
LIST_FOLDERS = ("", "annotations")
"""Below the root, where the lists may lie."""


class Ma52(Archive):
    """Micro-Action 52. It contains no keypoints."""

    dataset: ClassVar[str] = "ma52"

    def index(self, *, excluded: Collection[str], workers: int) -> Clips:
        return self._index_each(_index_clip, listed_videos(self.root), excluded, workers)

    def video_files(self) -> dict[str, RawFile]:
        return {line.video: line.file for line in listed_videos(self.root)}


class ListedVideo(NamedTuple):
    """One line of a list."""

    where: str
    """File and line, for messages."""
    video: str
    """The file's name without its ending; clip id and video at once."""
    split: Split
    label: int
    file: RawFile


def listed_videos(root: Path) -> list[ListedVideo]:
    """Read the three lists: every clip, in the order of the lines.

    Raises:
        ManyFaults: Lists or videos that are missing, lines of another form, videos that no list
            names, names that come twice.
    """
    listed: list[ListedVideo] = []
    faults = FaultList()
    for split in SPLITS:
        with faults.collected():
            listed += _read_split(root, split, faults)
    places: dict[str, str] = {}
    for line in listed:
        with faults.collected():
            once_each(places, line.video, line.where, what="video")
    faults.raise_any(root)
    return listed


def _read_split(root: Path, split: Split, faults: FaultList) -> list[ListedVideo]:
    path = _list_path(root, split)
    tree = open_tree(root, f"videos_{split}", f"videos_{split}.zip")
    present = {*tree.files("")}
    listed = []
    lines = read_text(path).splitlines()
    for number, line in enumerate(lines, start=1):
        name, _, text = line.rpartition(" ")
        where = f"{path} line {number}"
        with faults.collected():
            if not name or "/" in name:
                raise ArchiveError(
                    where, "not a clip", expected="'name.mp4 label'", found=line[:80]
                )
            if name not in present:
                raise ArchiveError(where, f"{tree} has no video {name}")
            video, label = name.rpartition(".")[0], whole_number(where, "the label", text)
            listed.append(ListedVideo(where, video, split, label, tree.file(name)))
    with faults.collected():
        # A video that no list names would otherwise disappear from the index without a word.
        named = {line.rpartition(" ")[0] for line in lines}
        if lone := sorted(present - named):
            raise ArchiveError(path, f"does not list {len(lone)} video(s), the first is {lone[0]}")
    return listed


def _list_path(root: Path, split: Split) -> Path:
    name = LIST.format(split=split)
    for folder in LIST_FOLDERS:
        if (path := root / folder / name).is_file():
            return path
    raise ArchiveError(root / name, "no such file", do=f"It may also lie in {LIST_FOLDERS[1]}/")


def _index_clip(line: ListedVideo, *, edition: Edition, excluded: frozenset[str]) -> list[Clip]:
    if not 0 <= line.label < len(edition.classes):
        raise ArchiveError(
            line.where, "unknown class", expected=f"0 to {len(edition.classes) - 1}",
            found=str(line.label),
        )  # fmt: skip
    info = probe_raw(line.file, excluded=line.video in excluded)
    clip = Clip(
        clip_id=line.video, video=line.video, subject=None, split=line.split,
        label=None if line.split in edition.withheld else line.label,
        # Nobody knows how long an unreadable video is: one frame makes its clip a sound row.
        start_frame=0, end_frame=1 if is_unreadable(info) else info.frames, fps=info.fps,
        width=info.width, height=info.height, excluded=line.video in excluded,
    )  # fmt: skip
    return [clip]
