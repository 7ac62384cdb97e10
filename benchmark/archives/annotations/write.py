"""Annotations of any form -> clips.csv and classes.txt, which the harness reads."""

from __future__ import annotations

import unicodedata
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from benchmark.archives.annotations.checks import (
    check_names,
    check_once,
    check_splits,
    check_videos,
    plain,
)
from benchmark.archives.annotations.read import Annotation
from benchmark.archives.folder import CLASSES, CLIPS
from benchmark.contracts.clips import plain_name
from benchmark.core.errors import ArchiveError, FaultList
from benchmark.core.files import csv_text, replacing, write_text
from benchmark.runtime.parallel import map_in_processes, usable_cores

if TYPE_CHECKING:
    from benchmark.core.video import Timeline
    from benchmark.editions.splits import Split

SPLIT_NAMES: dict[str, Split] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What people call a split, in lower case -> our name."""


class Shares(NamedTuple):
    """Percent of the clips in each split, about: groups stay together."""

    train: int
    val: int
    test: int


def grouped_splits(
    labels: Sequence[str], groups: Sequence[str], shares: Shares, seed: int
) -> list[Split]:
    """Assign a split to each clip: groups stay together, classes are spread as far as they allow.

    Args:
        labels: Class of each clip.
        groups: Person or video of each clip.
        shares: About how much each split gets.
        seed: Of the draw.

    Raises:
        ArchiveError: There are too few groups.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    wanted = [name for name, share in shares._asdict().items() if share]
    count = len({*groups})
    if count < len(wanted):
        raise ArchiveError(
            "splits", f"{count} groups cannot be {', '.join(wanted)}",
            expected=f"at least {len(wanted)}", do="Name a split in each row, or leave one out",
        )  # fmt: skip

    def fold(rows: np.ndarray, share: float) -> np.ndarray:
        """Choose about `share` of the rows, int64, in whole groups."""
        y, g = np.array(labels)[rows], np.array(groups)[rows]
        folds = min(max(2, round(1 / share)), len(np.unique(g)))
        # scikit-learn spreads classes only if one of them has a clip for each fold.
        spread = np.unique(y, return_counts=True)[1].max() >= folds
        kind = StratifiedGroupKFold if spread else GroupKFold
        splitter = kind(folds, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            # A class with fewer clips than folds is spread as far as it goes.
            warnings.filterwarnings("ignore", "The least populated class")
            _, taken = next(splitter.split(rows, y, g))
        return rows[taken]

    found = np.full(len(labels), "train", object)
    left = np.arange(len(labels))
    total = 100
    for name, share in (("test", shares.test), ("val", shares.val)):
        if share:
            taken = fold(left, share / total)
            found[taken] = name
            left = np.setdiff1d(left, taken)
            total -= share
    return found.tolist()


LATE = 1.0
"""Seconds that an annotation may go on after the last picture: sound may be longer than that."""
FEW = 16
"""Videos that one process reads before another one pays."""
GroupBy = Literal["subject", "video"]


class Row(NamedTuple):
    """A clip of clips.csv."""

    clip_id: str
    split: Split
    label: str
    video: str
    start_frame: int
    end_frame: int
    subject: str


def read_class_folders(root: Path, videos: Iterable[Path]) -> list[Annotation]:
    """Take the class of each video from its folder: `wave/a.mp4`, or `train/wave/a.mp4`.

    Raises:
        ManyFaults: Every video that lies in no folder of a class.
    """
    faults, found = FaultList(), list[Annotation]()
    for video in videos:
        *folders, name = video.relative_to(root).parts
        split = folders.pop(0) if len(folders) > 1 and folders[0].lower() in SPLIT_NAMES else None
        if len(folders) != 1:
            expected = f"{root}/CLASS/{name} or {root}/train/CLASS/{name}, or a table"
            wrong = ArchiveError(video, "lies in no folder of a class", expected=expected)
            faults.errors.append(wrong)
            continue
        path = video.relative_to(root).as_posix()
        found.append(Annotation(str(video), path, folders[0], split=split))
    faults.raise_any(root)
    return found


def make_rows(
    root: Path, videos: Sequence[Path], annotations: Sequence[Annotation],
    *, rest: str | None, split_by: GroupBy | None, shares: Shares, seed: int,
) -> list[Row]:  # fmt: skip
    """Find video and frames of each annotation, and its split.

    Args:
        root: The folder of the videos, to which paths are relative.
        videos: All videos in it.
        annotations: What was written down.
        rest: Class of what lies between the annotations of a video; None leaves it out.
        split_by: What stays together in one split, where the annotations name none.
        shares: About how much each split gets.
        seed: Of the draw of splits.

    Raises:
        ManyFaults: Every annotation that fits no video, has no time in it, or contradicts another.
        ArchiveError: Nothing says how to split.
    """
    annotations, rest = _plain(annotations, rest)
    found = _found(annotations, root, videos)
    clock = _clock(found)
    faults, spans = FaultList(), list[tuple[int, int]]()
    for one, video in zip(annotations, found, strict=True):
        with faults.collected():
            spans.append(_frames(one, clock[video]))
    faults.raise_any(root)
    check_once(annotations, _names(root, found), spans)
    if rest is not None:
        between = list(_between(annotations, found, spans, clock, rest))
        annotations = [*annotations, *(one for one, _, _ in between)]
        found += [video for _, video, _ in between]
        spans += [span for _, _, span in between]
    names = _names(root, found)
    splits = _splits(annotations, names, split_by, shares, seed)
    check_splits(annotations, names, splits)
    return [
        Row(clip, split, one.label, name, start, end, one.subject or "")
        for clip, split, one, name, (start, end) in zip(
            _ids(names), splits, annotations, names, spans, strict=True
        )
    ]


def _plain(
    annotations: Sequence[Annotation], rest: str | None
) -> tuple[list[Annotation], str | None]:
    """Write all names in the one way that computers know as equal, and check them."""
    rest = None if rest is None else plain(rest)
    annotations = [
        one._replace(label=plain(one.label), subject=plain(one.subject or "") or None)
        for one in annotations
    ]
    own = [] if rest is None else [("--rest", rest)]
    check_names("class", [*own, *((one.where, one.label) for one in annotations)])
    check_names("person", [(one.where, one.subject) for one in annotations if one.subject])
    return annotations, rest


def _found(annotations: Sequence[Annotation], root: Path, videos: Sequence[Path]) -> list[Path]:
    """Find the video of each annotation."""
    faults, found = FaultList(), list[Path]()
    for one in annotations:
        with faults.collected():
            found.append(_video(one, root, videos))
    faults.raise_any(root)
    check_videos(annotations, _names(root, found))
    return found


def _clock(found: Sequence[Path]) -> dict[Path, Timeline]:
    """Read the times of the frames of each video."""
    from benchmark.core.video import timeline

    used = list(dict.fromkeys(found))
    # Processes take seconds to start: not for a few videos.
    workers = min(usable_cores(), 1 + len(used) // FEW)
    times = map_in_processes(timeline, used, what="read times", workers=workers)
    return dict(zip(used, times, strict=True))


def _names(root: Path, videos: Iterable[Path]) -> list[str]:
    return [video.relative_to(root).as_posix() for video in videos]


def write_rows(root: Path, rows: Sequence[Row]) -> None:
    """Write clips.csv and classes.txt, both or none, classes in alphabetical order."""
    classes = sorted({row.label for row in rows})
    with replacing(root / CLIPS) as clips, replacing(root / CLASSES) as names:
        write_text(clips, csv_text(Row._fields, rows))
        write_text(names, "\n".join(classes) + "\n")


def _video(one: Annotation, root: Path, videos: Sequence[Path]) -> Path:
    """Find the video that an annotation means, by path, by name, or by name without ending."""
    wanted = one.video.replace("\\", "/")
    if (whole := Path(wanted)).is_relative_to(root.resolve()):
        wanted = whole.relative_to(root.resolve()).as_posix()
    # macOS takes the letters of names apart, programs do not.
    nfc = partial(unicodedata.normalize, "NFC")
    wanted = nfc(wanted.removeprefix("./"))
    name = wanted.rpartition("/")[2]
    for same in (
        lambda video: nfc(video.relative_to(root).as_posix()) == wanted,
        lambda video: nfc(video.name) == name,
        # Names may have dots: `talk.2` is talk.2.mp4 rather than talk.mp4.
        lambda video: nfc(video.stem) == name,
        lambda video: nfc(video.stem) == name.rpartition(".")[0],
    ):
        found = [video for video in videos if same(video)]
        if len(found) > 1:
            both = ", ".join(str(video.relative_to(root)) for video in found[:3])
            raise ArchiveError(one.where, f"'{one.video}' may be {both}", do="Write its path")
        if found:
            return found[0]
    raise ArchiveError(one.where, "no such video", expected=f"below {root}", found=one.video[:200])


def _frames(one: Annotation, times: Timeline) -> tuple[int, int]:
    """Convert seconds to frames; the whole video where nothing is said.

    Raises:
        ArchiveError: Nothing of the video lies within.
    """
    count, length = len(times.edges) - 1, float(times.edges[-1])
    if (one.start_s or 0) < -LATE or (one.end_s or 0) > length + LATE:
        raise ArchiveError(
            one.where, "not inside the video", expected=f"within 0 to {length:.2f} s",
            found=f"{one.start_s or 0:g} to {one.end_s or length:g} s",
        )  # fmt: skip
    start = times.nearest(one.start_s) if one.start_s is not None else one.start_frame or 0
    end = one.end_frame if one.end_frame is not None else count
    if one.end_s is not None:
        # Ends are rounded: a gesture that ends with the video may end a moment after it.
        end = max(times.nearest(one.end_s), start + 1) if one.end_s > (one.start_s or 0) else start
    if not 0 <= start < end <= count:
        raise ArchiveError(
            one.where, "no frame of the video in it", found=f"frames {start} to {end}",
            expected=f"within 0 to {count}, {length:.2f} s",
        )  # fmt: skip
    return start, end


def _between(
    annotations: Sequence[Annotation], videos: Sequence[Path], spans: Sequence[tuple[int, int]],
    clock: Mapping[Path, Timeline], rest: str,
) -> Iterator[tuple[Annotation, Path, tuple[int, int]]]:  # fmt: skip
    """Yield clips of the time between annotations, about as long as these are.

    A network knows no other answers than its classes: one that has never seen rest calls it a
    gesture. What is shorter than half an annotation is left out.

    Args:
        annotations: What was written down.
        videos: Video of each.
        spans: First frame of each, and the frame after its last one.
        clock: Times of the frames of each video.
        rest: The class.
    """
    edges = {video: times.edges for video, times in clock.items()}
    usual = float(np.median([
        edges[video][end] - edges[video][start]
        for video, (start, end) in zip(videos, spans, strict=True)
    ]))  # fmt: skip
    for video, times in edges.items():
        own = [k for k, other in enumerate(videos) if other == video]
        taken = sorted(spans[k] for k in own)
        free_from = 0
        for start, end in [*taken, (len(times) - 1, len(times) - 1)]:
            if (count := round(float(times[start] - times[free_from]) / usual)) > 0:
                cuts = np.linspace(free_from, start, count + 1).round().astype(int).tolist()
                for span in pairwise(cuts):
                    yield annotations[own[0]]._replace(label=rest), video, span
            free_from = max(free_from, end)


def _splits(
    annotations: Sequence[Annotation], names: Sequence[str], split_by: GroupBy | None,
    shares: Shares, seed: int,
) -> list[Split]:  # fmt: skip
    """Take the splits that are written down, or draw them by groups.

    Args:
        annotations: What was written down.
        names: Video of each.
        split_by: What stays together in one split.
        shares: About how much each split gets.
        seed: Of the draw.

    Raises:
        ArchiveError: Some annotations name a split, or nothing does; or one has no group.
    """
    given = [one.split for one in annotations]
    if all(given) and split_by is None:
        faults = FaultList()
        splits: list[Split] = []
        for one in annotations:
            with faults.collected():
                splits.append(_named(one))
        faults.raise_any("splits")
        return splits
    if split_by is None:
        some = f"{sum(map(bool, given))} of {len(given)} annotations name a split"
        do = "Say --split-by subject, or --split-by video where the persons are not known"
        raise ArchiveError("splits", some, expected="all of them", do=do)
    groups = list(names)
    if split_by == "subject":
        nobody = [one.where for one in annotations if not one.subject]
        if nobody:
            wrong = f"{len(nobody)} annotations name no person"
            raise ArchiveError(nobody[0], wrong, expected="a column such as subject")
        groups = _together([str(one.subject) for one in annotations], names)
    return grouped_splits([one.label for one in annotations], groups, shares, seed)


def _named(one: Annotation) -> Split:
    name = SPLIT_NAMES.get(str(one.split).lower())
    if name is None:
        expected = ", ".join(SPLIT_NAMES)
        raise ArchiveError(one.where, "unknown split", expected=expected, found=str(one.split)[:40])
    return name


def _together(subjects: Sequence[str], videos: Sequence[str]) -> list[str]:
    """Return one group for persons who share a video: a video is in one split."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes = {
        name: k for k, name in enumerate(dict.fromkeys([*subjects, *(f"/{v}" for v in videos)]))
    }
    ends = [nodes[s] for s in subjects], [nodes[f"/{v}"] for v in videos]
    edges = coo_array(([1] * len(subjects), ends), shape=(len(nodes), len(nodes)))
    _, component = connected_components(edges, directed=False)
    return [str(component[nodes[subject]]) for subject in subjects]


def _ids(names: Sequence[str]) -> list[str]:
    """Name the clips after their videos: `talk-003` is the fourth of talk.mp4."""
    stems = {name: plain_name(name.rpartition(".")[0]) for name in {*names}}
    counted: Counter[str] = Counter()
    ids = []
    for name in names:
        ids.append(f"{stems[name]}-{counted[stems[name]]:03d}")
        counted[stems[name]] += 1
    return ids
