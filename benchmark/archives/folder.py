"""Anyone's own clips: `clips.csv`, `classes.txt`, videos, and skeletons where there are any.

`docs/own-clips.md` describes the folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, cast

from benchmark.archives.keypoints import Arrays
from benchmark.archives.own_skeleton import FILE as SKELETON
from benchmark.archives.own_skeleton import read_own_layout
from benchmark.archives.probing import NO_INFO, probe_raw
from benchmark.archives.raw_files import RawFile
from benchmark.archives.texts import read_rows as csv_rows
from benchmark.archives.texts import read_text, whole_number
from benchmark.contracts.clips import SAFE_ID, Clip, Clips
from benchmark.core.errors import ArchiveError, FaultList
from benchmark.core.files import inside
from benchmark.editions.edition import SPLITS, Edition
from benchmark.runtime.parallel import map_in_processes

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from benchmark.core.video import VideoInfo
    from benchmark.editions.edition import Split

CLIPS = "clips.csv"
CLASSES = "classes.txt"
REQUIRED = ("clip_id", "split", "label", "video")
OPTIONAL = ("start_frame", "end_frame", "subject")


@dataclass(frozen=True)
class OwnClip:
    """One row of `clips.csv`; `end` None is the end of the video."""

    where: str
    clip_id: str
    split: Split
    label: str
    """A class name, or empty where nobody knows."""
    video: str
    """Path of the file, relative to the folder."""
    start: int
    end: int | None
    subject: str | None
    modality: RawFile


def read_classes(root: Path) -> tuple[str, ...]:
    """Class names, one a line; a class's number is its line from 0.

    Raises:
        ArchiveError: No such file, no names, or a name that comes twice.
    """
    path = root / CLASSES
    if not path.is_file():
        raise ArchiveError(path, "no such file", expected="one class name a line")
    names = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        raise ArchiveError(path, f"class '{twice[0]}' comes twice" if twice else "no class in it")
    return tuple(names)


def read_clips(root: Path, *, excluded: Collection[str] | None = ()) -> list[OwnClip]:
    """The rows of `clips.csv`, in file order.

    Every video must be there but those in `excluded`; None looks for none of them.

    Raises:
        ManyFaults: Every row that breaks the form, whose video is not there, or that contradicts
            another one.
    """
    path = root / CLIPS
    if not path.is_file():
        raise ArchiveError(path, "no such file", expected="columns " + ", ".join(REQUIRED))
    rows = csv_rows(path)
    _, header = next(rows, ("", []))
    _check_header(path, header)
    faults = FaultList()
    known = _Known()
    found: list[OwnClip] = []
    for where, row in rows:
        with faults.collected():
            if len(row) > len(header):
                raise ArchiveError(where, "more cells than columns", found=",".join(row)[:80])
            cells = dict(zip_longest(header, row, fillvalue=""))
            clip = _parse(where, cells, root, excluded)
            known.check(clip)
            found.append(clip)
    if not found and not faults.found:
        raise ArchiveError(path, "no clip in it")
    faults.raise_any(path)
    return found


class _Known:
    """What earlier rows said: an id comes once, a file has one name, a video is in one split."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._names: dict[Path, str] = {}
        self._splits: dict[str, str] = {}

    def check(self, clip: OwnClip) -> None:
        if (first := self._ids.setdefault(clip.clip_id, clip.where)) != clip.where:
            raise ArchiveError(
                clip.where, f"clip {clip.clip_id} comes twice", found=f"also {first}"
            )
        name = self._names.setdefault(clip.modality.path.resolve(), clip.video)
        if name != clip.video:
            raise ArchiveError(
                clip.where, f"{clip.video} and {name} are one file", do="Use one name for it"
            )
        if (split := self._splits.setdefault(clip.video, clip.split)) != clip.split:
            raise ArchiveError(
                clip.where, f"{clip.video} is in two splits", found=f"{split} and {clip.split}"
            )


def _check_header(path: Path, header: list[str]) -> None:
    missing = [name for name in REQUIRED if name not in header]
    unknown = [name for name in header if name not in REQUIRED + OPTIONAL]
    if missing or unknown or len({*header}) < len(header):
        raise ArchiveError(
            path,
            "wrong columns",
            expected=", ".join(REQUIRED) + " and perhaps " + ", ".join(OPTIONAL),
            found=", ".join(header)[:120],
        )


def _parse(
    where: str, row: dict[str, str], root: Path, excluded: Collection[str] | None
) -> OwnClip:
    clip_id, split = row["clip_id"], row["split"]
    if not SAFE_ID.fullmatch(clip_id):
        expected = "letters, digits, '_', '-' and '.', at most 100"
        raise ArchiveError(where, "not a clip id", expected=expected, found=repr(clip_id[:110]))
    if split not in SPLITS:
        expected, found = ", ".join(SPLITS), repr(split[:40])
        raise ArchiveError(where, "unknown split", expected=expected, found=found)
    start, end = (_frame(where, name, row.get(name, "")) for name in ("start_frame", "end_frame"))
    if end is not None and end <= (start or 0):
        found = f"start {start or 0}, end {end}"
        raise ArchiveError(where, "no frame in it", expected="end_frame after start", found=found)
    video, modality = _media(where, root, row["video"], excluded)
    return OwnClip(
        where,
        clip_id,
        cast("Split", split),
        row["label"].strip(),
        video,
        start or 0,
        end,
        row.get("subject") or None,
        modality,
    )


def _frame(where: str, name: str, text: str) -> int | None:
    if not text.strip():
        return None
    number = whole_number(where, name, text)
    if number < 0:
        raise ArchiveError(where, f"{name} is below 0", found=text)
    return number


def _media(
    where: str, root: Path, cell: str, excluded: Collection[str] | None
) -> tuple[str, RawFile]:
    """The video's name, in one spelling, and its file."""
    try:
        path = inside(root, cell)
    except ValueError:
        raise ArchiveError(where, "the video lies outside the folder", found=cell[:200]) from None
    name = path.relative_to(inside(root, ".")).as_posix()
    try:
        is_there = bool(cell) and path.is_file()
    except OSError:  # a name that no file can have
        is_there = False
    if not is_there and excluded is not None and name not in excluded:
        expected = f"a file below {root}"
        raise ArchiveError(where, "no such video", expected=expected, found=cell[:200])
    return name, RawFile(path)


def raw_video_files(root: Path) -> dict[str, RawFile]:
    """The file of each video; one that is left out may be missing."""
    return {row.video: row.modality for row in read_clips(root, excluded=None)}


def raw_keypoints(root: Path) -> Arrays | None:
    """The arrays in `skeletons/`, with the layout of `skeleton.yaml`; None where neither is there.

    Raises:
        ArchiveError: One of the two is missing.
        ParamsError: `skeleton.yaml` breaks its schema.
    """
    there = [(root / "skeletons").is_dir(), (root / SKELETON).is_file()]
    if not any(there):
        return None
    if not all(there):
        missing = root / ("skeletons" if there[1] else SKELETON)
        raise ArchiveError(missing, "missing, but its other half is there", do="docs/own-clips.md")
    files = {p.stem: RawFile(p) for p in sorted((root / "skeletons").glob("*.npy"))}
    return Arrays(files, read_own_layout(root / SKELETON))


def read_archive(root: Path, edition: Edition, *, excluded: Collection[str], workers: int) -> Clips:
    """Index the folder `root`: every row of `clips.csv`.

    Raises:
        ManyFaults: All that is missing, damaged or contradicts itself.
    """
    classes = read_classes(root)
    if classes != edition.classes:
        raise ArchiveError(
            root / CLASSES,
            f"not the classes of edition {edition.name}",
            expected=", ".join(edition.classes),
            found=", ".join(classes),
            do=f"'mgbench edition new {edition.name} --from {root}' writes the edition anew",
        )
    rows = read_clips(root, excluded=excluded)
    modality = {row.video: row.modality for row in rows}
    probe = partial(_probe, excluded=frozenset(excluded))
    infos = map_in_processes(probe, list(modality.items()), what="index videos", workers=workers)
    info_of = dict(zip(modality, infos, strict=True))
    faults = FaultList()
    clips = []
    for row in rows:
        with faults.collected():
            clips.append(_clip(row, info_of[row.video], edition, excluded))
    faults.raise_any(root / CLIPS)
    return Clips(edition.name, tuple(clips))


def _probe(item: tuple[str, RawFile], *, excluded: frozenset[str]) -> VideoInfo:
    return probe_raw(item[1], excluded=item[0] in excluded)


def _clip(row: OwnClip, info: VideoInfo, edition: Edition, excluded: Collection[str]) -> Clip:
    withheld = row.split in edition.withheld
    if not withheld and row.label not in edition.classes:
        expected = "one of " + ", ".join(edition.classes)
        raise ArchiveError(row.where, "unknown class", expected=expected, found=repr(row.label))
    if withheld and row.label:
        raise ArchiveError(
            row.where,
            f"a label, but edition {edition.name} withholds those of {row.split}",
            do="Empty it, or take the split out of 'withheld' in the edition's file",
        )
    end = info.frames if row.end is None else row.end
    if info == NO_INFO:
        end = row.end or row.start + 1
    elif not row.start < end <= info.frames:
        found = f"frames {row.start} to {end}"
        expected = f"frames within 0 to {info.frames}"
        raise ArchiveError(row.where, "not inside its video", expected=expected, found=found)
    return Clip(
        clip_id=row.clip_id,
        video=row.video,
        subject=row.subject,
        split=row.split,
        label=None if withheld else edition.classes.index(row.label),
        start_frame=row.start,
        end_frame=end,
        fps=info.fps,
        width=info.width,
        height=info.height,
        excluded=row.video in excluded,
    )


def describe(name: str, root: Path) -> Edition:
    """An edition called `name` for the folder `root`; a split without any label is withheld.

    Raises:
        ManyFaults: The folder breaks its form.
        ArchiveError: A split is labeled in part, or there is nothing to train on.
    """
    classes = read_classes(root)
    labels: dict[Split, list[str]] = {split: [] for split in SPLITS}
    for row in read_clips(root):
        labels[row.split].append(row.label)
    for split, found in labels.items():
        if 0 < found.count("") < len(found):
            raise ArchiveError(
                root / CLIPS,
                f"split {split} has labels in {len(found) - found.count('')} of its {len(found)} "
                "rows",
                expected="all or none",
            )
    withheld: tuple[Split, ...] = tuple(split for split, found in labels.items() if not any(found))
    if unlabeled := [split for split in ("train", "val") if split in withheld]:
        raise ArchiveError(root / CLIPS, f"split {unlabeled[0]} has no labeled clip")
    return Edition(
        name=name,
        version=1,
        title=name,
        source=f"own clips in data/raw/{name}",
        comparable=True,
        dataset="folder",
        classes=classes,
        groups={"all": tuple(range(len(classes)))},
        withheld=withheld,
        counts=None,
        label_counts=None,
        ids=None,
        metric="top1",
    )
