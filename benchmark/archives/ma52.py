"""Micro-Action 52: one short video a clip, listed split by split.

Source: https://github.com/VUT-HFUT/Micro-Action (arXiv 2403.05234).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from benchmark.archives.probing import NO_INFO, probe_raw
from benchmark.archives.raw_files import RawFile, open_tree
from benchmark.archives.texts import read_text
from benchmark.contracts.clips import Clip, Clips
from benchmark.core.errors import ArchiveError, FaultList
from benchmark.editions.edition import SPLITS
from benchmark.runtime.parallel import map_in_processes

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from benchmark.editions.edition import Edition, Split

LIST = "{split}_list_videos.txt"
LIST_FOLDERS = ("", "annotations")
"""Below the root, where the lists may lie."""


class Listed(NamedTuple):
    """One line of a list."""

    video: str
    """The file's name without its ending; clip id and video at once."""
    split: Split
    label: int
    modality: RawFile


def listed_clips(root: Path) -> list[Listed]:
    """Every clip of the three lists, in their order.

    Raises:
        ManyFaults: Lists or videos that are missing, lines of another form, videos that no list
            names, names that come twice.
    """
    found: list[Listed] = []
    faults = FaultList()
    for split in SPLITS:
        with faults.collected():
            found += _read_split(root, split, faults)
    seen: dict[str, Split] = {}
    for clip in found:
        with faults.collected():
            if clip.video in seen:
                raise ArchiveError(
                    root, f"{clip.video} is listed twice", found=f"{seen[clip.video]}, {clip.split}"
                )
            seen[clip.video] = clip.split
    faults.raise_any(root)
    return found


def _read_split(root: Path, split: Split, faults: FaultList) -> list[Listed]:
    path = _list_path(root, split)
    tree = open_tree(root, f"videos_{split}", f"videos_{split}.zip")
    there = {*tree.files("")}
    found = []
    lines = read_text(path).splitlines()
    for number, line in enumerate(lines, start=1):
        name, _, label = line.rpartition(" ")
        with faults.collected():
            if not name or not label.isdecimal() or "/" in name:
                raise ArchiveError(
                    f"{path} line {number}", "not a clip", expected="'name.mp4 label'", found=line
                )
            if name not in there:
                raise ArchiveError(f"{path} line {number}", f"{tree} has no video {name}")
            found.append(Listed(name.rpartition(".")[0], split, int(label), tree.file(name)))
    with faults.collected():
        named = {line.rpartition(" ")[0] for line in lines}
        if lone := sorted(there - named):
            raise ArchiveError(path, f"does not list {len(lone)} video(s), the first is {lone[0]}")
    return found


def _list_path(root: Path, split: Split) -> Path:
    name = LIST.format(split=split)
    for folder in LIST_FOLDERS:
        if (path := root / folder / name).is_file():
            return path
    raise ArchiveError(root / name, "no such file", do=f"It may also lie in {LIST_FOLDERS[1]}/")


def raw_video_files(root: Path) -> dict[str, RawFile]:
    """The file of each clip."""
    return {clip.video: clip.modality for clip in listed_clips(root)}


def read_archive(root: Path, edition: Edition, *, excluded: Collection[str], workers: int) -> Clips:
    """Index the archive under `root`: every clip of every list.

    Raises:
        ManyFaults: All that is missing, damaged or contradicts itself.
    """
    index = partial(_index_clip, edition=edition, excluded=frozenset(excluded))
    rows = map_in_processes(index, listed_clips(root), what="index videos", workers=workers)
    return Clips(edition.name, tuple(rows))


def _index_clip(clip: Listed, *, edition: Edition, excluded: frozenset[str]) -> Clip:
    if clip.label >= len(edition.classes):
        raise ArchiveError(
            f"{clip.split} list, {clip.video}",
            "unknown class",
            expected=f"0 to {len(edition.classes) - 1}",
            found=str(clip.label),
        )
    info = probe_raw(clip.modality, excluded=clip.video in excluded)
    return Clip(
        clip_id=clip.video,
        video=clip.video,
        subject=None,
        split=clip.split,
        label=None if clip.split in edition.withheld else clip.label,
        start_frame=0,
        end_frame=1 if info == NO_INFO else info.frames,
        fps=info.fps,
        width=info.width,
        height=info.height,
        excluded=clip.video in excluded,
    )
