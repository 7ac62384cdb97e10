"""The user's own clips: `clips.csv`, `classes.txt`, videos, skeletons, or both.

`docs/own-clips.md` describes the folder.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, cast

from benchmark.archives.annotations.checks import check_names, plain
from benchmark.archives.archive import Archive
from benchmark.archives.keypoints import Arrays, read_array
from benchmark.archives.own_skeleton import FILE as SKELETON
from benchmark.archives.own_skeleton import Recording, read_own_layout, recording_of
from benchmark.archives.raw_files import RawFile, is_unreadable, probe_raw
from benchmark.contracts.clips import SAFE_ID, Clip, Clips
from benchmark.core.errors import ArchiveError, FaultList
from benchmark.core.files import inside
from benchmark.core.schema import in_one_line
from benchmark.core.text_files import once_each, read_rows, read_text, whole_number
from benchmark.editions.edition import Edition
from benchmark.editions.splits import SPLITS, Split
from benchmark.runtime.parallel import map_in_processes

if TYPE_CHECKING:
    from benchmark.core.video import VideoInfo

CLIPS = "clips.csv"
CLASSES = "classes.txt"
ARRAYS = "skeletons"
REQUIRED = ("clip_id", "split", "label", "video")
OPTIONAL = ("start_frame", "end_frame", "subject")


class Folder(Archive):
    """A folder that the user wrote.

    One file `skeletons/<clip id>.npy` per clip is optional. Where `skeleton.yaml` says what the
    videos would, there are none: a clip is its array, and `video` names the recording.
    """

    dataset: ClassVar[str] = "folder"

    def index(self, *, excluded: Collection[str], workers: int) -> Clips:
        self._check_classes()
        rows = read_own_clips(self.root, excluded=excluded)
        recording = recording_of(self.root)
        faults = FaultList()
        clips = []
        info_of = {}
        if recording is None:
            files = {row.video: row.file for row in rows}
            one_video = partial(_probe, excluded=frozenset(excluded))
            found = map_in_processes(
                one_video, list(files.items()), what="index videos", workers=workers
            )
            info_of = dict(zip(files, found, strict=True))
        for row in rows:
            with faults.collected():
                info = info_of[row.video] if recording is None else _length(row, recording)
                clips.append(_clip(row, info, self.edition, excluded))
        faults.raise_any(self.root / CLIPS)
        return Clips(self.edition.name, tuple(clips))

    def _check_classes(self) -> None:
        classes, name = read_classes(self.root), self.edition.name
        if classes != self.edition.classes:
            raise ArchiveError(
                self.root / CLASSES, f"not the classes of edition {name}",
                expected=", ".join(self.edition.classes), found=", ".join(classes),
                do=f"'mgbench edition new {name} --from {self.root}' writes the edition anew",
            )  # fmt: skip

    def video_files(self) -> dict[str, RawFile]:
        if recording_of(self.root) is not None:
            return {}
        return {row.video: row.file for row in read_own_clips(self.root, excluded=None)}

    def keypoints(self) -> Arrays | None:
        folder, layout = self.root / ARRAYS, self.root / SKELETON
        has_arrays, has_layout = folder.is_dir(), layout.is_file()
        if not has_arrays and not has_layout:
            return None
        if not (has_arrays and has_layout):
            missing = folder if has_layout else layout
            wrong = "missing, but its other half is there"
            raise ArchiveError(missing, wrong, do="docs/own-clips.md")
        files = {path.stem: RawFile(path) for path in sorted(folder.glob("*.npy"))}
        return Arrays(files, read_own_layout(layout))


class OwnClip(NamedTuple):
    """One row of `clips.csv`."""

    where: str
    """File and line, for messages."""
    clip_id: str
    split: Split
    label: str
    """A class name, or empty where nobody knows."""
    video: str
    """Path of the file, relative to the folder; the recording's name where there are no videos."""
    start: int
    end: int | None
    """The frame after the last one; None stands for the end of the video."""
    subject: str | None
    file: RawFile
    """The video, or the array where there are none."""


def read_classes(root: Path) -> tuple[str, ...]:
    """Read the class names, one per line; a class's number is its line, counted from 0.

    Raises:
        ArchiveError: No such file, no names, a name that comes twice, or one that is not one line.
    """
    path = root / CLASSES
    if not path.is_file():
        raise ArchiveError(path, "no such file", expected="one class name per line")
    # Not `splitlines`, which also ends a line at characters that no editor shows as an end.
    lines = re.split(r"\r\n|\r|\n", read_text(path))
    try:
        names = [plain(in_one_line(line.strip())) for line in lines if line.strip()]
    except ValueError as error:
        raise ArchiveError(path, f"a class name {error}") from None
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        raise ArchiveError(path, f"class '{twice[0]}' comes twice" if twice else "no class in it")
    return tuple(names)


def read_own_clips(root: Path, *, excluded: Collection[str] | None = ()) -> list[OwnClip]:
    """Read the rows of `clips.csv`, in file order.

    Every video must be there except those in `excluded`; None looks for no video.

    Raises:
        ManyFaults: Every row that breaks the form, that names a missing video, or that
            contradicts another row.
    """
    path = root / CLIPS
    if not path.is_file():
        raise ArchiveError(path, "no such file", expected="columns " + ", ".join(REQUIRED))
    rows = read_rows(path)
    _, header = next(rows, ("", []))
    recording = recording_of(root)
    _check_header(path, header, optional=OPTIONAL if recording is None else ("subject", "video"))
    faults = FaultList()
    earlier = _EarlierRows()
    clips: list[OwnClip] = []
    for where, row in rows:
        with faults.collected():
            if len(row) > len(header):
                raise ArchiveError(where, "more cells than columns", found=",".join(row)[:80])
            cells = dict(zip_longest(header, row, fillvalue=""))
            if recording is None:
                video, file = _video(where, root, cells["video"], excluded)
            else:
                video, file = _array(where, root, cells)
            clip = _parse(where, cells, video, file)
            earlier.check(clip)
            clips.append(clip)
    if not clips and not faults.errors:
        raise ArchiveError(path, "no clip in it")
    with faults.collected():
        check_names("person", [(clip.where, clip.subject) for clip in clips if clip.subject])
    faults.raise_any(path)
    return clips


class _EarlierRows:
    """What earlier rows said: an id comes once, a file has one name, a video is in one split."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}
        self._names: dict[Path, str] = {}
        self._splits: dict[str, str] = {}

    def check(self, clip: OwnClip) -> None:
        where = clip.where
        once_each(self._ids, clip.clip_id, where)
        # Two names of one file would let a video into two splits unseen: links count as the file.
        name = self._names.setdefault(clip.file.path.resolve(), clip.video)
        if name != clip.video:
            wrong = f"{clip.video} and {name} are one file"
            raise ArchiveError(where, wrong, do="Use one name for it")
        if (split := self._splits.setdefault(clip.video, clip.split)) != clip.split:
            wrong = f"{clip.video} is in two splits"
            raise ArchiveError(where, wrong, found=f"{split} and {clip.split}")


def _check_header(path: Path, header: list[str], *, optional: tuple[str, ...]) -> None:
    required = [name for name in REQUIRED if name not in optional]
    missing = [name for name in required if name not in header]
    unknown = [name for name in header if name not in (*required, *optional)]
    if missing or unknown or len({*header}) < len(header):
        raise ArchiveError(
            path,
            "wrong columns",
            expected=", ".join(required) + " and perhaps " + ", ".join(optional),
            found=", ".join(header)[:120],
        )


def _parse(where: str, row: dict[str, str], video: str, file: RawFile) -> OwnClip:
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
    return OwnClip(
        where, clip_id, cast("Split", split), plain(row["label"]), video, start or 0, end,
        plain(row.get("subject", "")) or None, file,
    )  # fmt: skip


def _frame(where: str, name: str, text: str) -> int | None:
    if not text.strip():
        return None
    number = whole_number(where, name, text)
    if number < 0:
        raise ArchiveError(where, f"{name} is below 0", found=text)
    return number


def _video(
    where: str, root: Path, cell: str, excluded: Collection[str] | None
) -> tuple[str, RawFile]:
    try:
        path = inside(root, cell)
    except ValueError:
        raise ArchiveError(
            where, "the video lies outside the folder", found=cell[:200],
            expected="a path from the folder on, such as videos/a.mp4",
        ) from None  # fmt: skip
    # One spelling per video: "a/./b.mp4" and "a/b.mp4" become the same name.
    name = path.relative_to(inside(root, ".")).as_posix()
    try:
        is_there = bool(cell) and path.is_file()
    except OSError:  # a name that no file can have
        is_there = False
    if not is_there and excluded is not None and name not in excluded:
        expected = f"a file below {root}"
        raise ArchiveError(where, "no such video", expected=expected, found=cell[:200])
    return name, RawFile(path)


def _array(where: str, root: Path, row: dict[str, str]) -> tuple[str, RawFile]:
    """Return the recording's name and the file of a clip's skeleton."""
    path = root / ARRAYS / f"{row['clip_id']}.npy"
    if SAFE_ID.fullmatch(row["clip_id"]) and not path.is_file():
        raise ArchiveError(where, "no skeleton of this clip", expected=str(path))
    return row.get("video", "").strip() or row["clip_id"], RawFile(path)


def _length(row: OwnClip, recording: Recording) -> VideoInfo:
    """Describe the recording of a clip as a video that holds nothing else."""
    from benchmark.core.video import VideoInfo

    shape = read_array(row.file, "r").shape
    return VideoInfo(recording.width, recording.height, recording.fps, shape[0] if shape else 0)


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
    if is_unreadable(info):
        end = row.end or row.start + 1  # a sound row, though nobody knows how long the video is
    elif not row.start < end <= info.frames:
        found = f"frames {row.start} to {end}"
        expected = f"frames within 0 to {info.frames}"
        raise ArchiveError(row.where, "not inside its video", expected=expected, found=found)
    return Clip(
        clip_id=row.clip_id, video=row.video, subject=row.subject, split=row.split,
        label=None if withheld else edition.classes.index(row.label), start_frame=row.start,
        end_frame=end, fps=info.fps, width=info.width, height=info.height,
        excluded=row.video in excluded,
    )  # fmt: skip


def describe(name: str, root: Path) -> Edition:
    """Describe the folder `root` as an edition `name`; a split without any label is withheld.

    Raises:
        ManyFaults: The folder breaks its form.
        ArchiveError: A split is labeled in part, or there is nothing to train on.
    """
    classes = read_classes(root)
    labels: dict[Split, list[str]] = {split: [] for split in SPLITS}
    for row in read_own_clips(root):
        labels[row.split].append(row.label)
    for split, names in labels.items():
        labeled = len(names) - names.count("")
        if 0 < labeled < len(names):
            wrong = f"split {split} has labels in {labeled} of its {len(names)} rows"
            raise ArchiveError(root / CLIPS, wrong, expected="all or none")
    # Without a row in val, folds take its place: it withholds nothing.
    withheld: tuple[Split, ...] = tuple(
        split for split, names in labels.items() if not any(names) and (names or split != "val")
    )
    if unlabeled := [split for split in ("train", "val") if split in withheld]:
        raise ArchiveError(root / CLIPS, f"split {unlabeled[0]} has no labeled clip")
    return Edition(
        name=name,
        version=1,
        title=name,
        source=f"own clips in data/raw/{name}",
        comparable=True,
        dataset=Folder.dataset,
        classes=classes,
        groups={"all": tuple(range(len(classes)))},
        withheld=withheld,
        counts=None,
        label_counts=None,
        ids=None,
        metric="top1",
    )
