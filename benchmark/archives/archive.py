"""The base class of all data sets: what the harness asks of a raw archive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from benchmark.contracts.clips import Clip, Clips, check_clips
from benchmark.core.errors import ArchiveError, FaultList, ManyFaults, ParamsError
from benchmark.editions.edition import Edition, edition_file, listed_ids
from benchmark.editions.splits import SPLITS, Split
from benchmark.runtime.parallel import map_in_processes, usable_cores

if TYPE_CHECKING:
    from benchmark.archives.keypoints import RawKeypoints
    from benchmark.archives.raw_files import RawFile


class Archive(ABC):
    """The raw archive of an edition. `benchmark.archives.union` lists the subclasses."""

    dataset: ClassVar[str]
    """The name of the data set, as `dataset` in an edition's file spells it."""

    def __init__(self, root: Path, edition: Edition) -> None:
        self.root, self.edition = root, edition

    def read(self, *, excluded: Collection[str], workers: int) -> Clips:
        """Index the archive and check the index against what the edition expects.

        Videos in `excluded` may be damaged; the index lists and marks their clips.

        Raises:
            ManyFaults: All that is missing, is damaged, contradicts itself or is not expected.
            ArchiveError: A video to exclude is not in the archive.
            FormatError: A clip id comes twice, or a video is in two splits.
        """
        # Only faults of files get the advice: excluding a video does not help against what the
        # checks below refuse.
        try:
            clips = self.index(excluded=excluded, workers=workers)
        except ManyFaults as fault:
            raise ManyFaults(self.root, [fault], do=advice(self.edition)) from None
        # A misspelled name would exclude nothing, and the damaged video would fail a later stage.
        if unknown := sorted({*excluded} - {clip.video for clip in clips.with_excluded}):
            where = f"editions.{self.edition.name}.excluded"
            wrong = f"no video {unknown[0]} in {self.root}"
            raise ArchiveError(where, wrong, found=", ".join(unknown))
        check_clips(clips, self.edition, where=self.root)
        check_expected(self.root, clips, self.edition)
        return clips

    @abstractmethod
    def index(self, *, excluded: Collection[str], workers: int) -> Clips:
        """List every clip of every split, without the checks of `read`.

        Raises:
            ManyFaults: All that is missing, is damaged or contradicts itself.
            ArchiveError: The classes of the user's own clips are not those of the edition.
        """

    def _index_each(
        self, index: Callable[..., list[Clip]], items: Sequence[Any],
        excluded: Collection[str], workers: int,
    ) -> Clips:  # fmt: skip
        one = partial(index, edition=self.edition, excluded=frozenset(excluded))
        rows = map_in_processes(one, items, what="index videos", workers=workers)
        return Clips(self.edition.name, tuple(clip for clips in rows for clip in clips))

    @abstractmethod
    def video_files(self) -> dict[str, RawFile]:
        """Map each video to its file; the file of an excluded video may be missing.

        Raises:
            ManyFaults: Every file that is missing, and of own clips every row that breaks the form.
        """

    def needed_video_files(self) -> dict[str, RawFile]:
        """Map each video to its file, for what can do nothing without videos.

        Raises:
            ArchiveError: A file is missing, or the data set is skeletons alone.
        """
        files = self.video_files()
        if not files:
            do = "Leave out what needs pictures: 'mgbench experiment remove NAME'"
            raise ArchiveError(self.root, "the data set has no videos", do=do)
        return files

    def num_frames(self, videos: Sequence[str]) -> list[int]:
        """Return the number of frames of whole videos.

        Raises:
            ArchiveError: A file is missing.
            ManyFaults: Every file that is damaged.
        """
        from benchmark.archives.raw_files import probe_raw

        files = self.needed_video_files()
        infos = map_in_processes(
            partial(probe_raw, excluded=False), [files[video] for video in videos],
            what="count frames", workers=usable_cores(), do=advice(self.edition),
        )  # fmt: skip
        return [info.frames for info in infos]

    def keypoints(self) -> RawKeypoints | None:
        """Find the keypoints that the archive contains; None if it contains none.

        Raises:
            ArchiveError: Files are missing.
            ParamsError: The description of the user's own skeletons breaks its schema.
        """
        return None


def archive_class(members: Iterable[type[Archive]], edition: Edition) -> type[Archive]:
    """Find the class among `members` that reads the data set of `edition`.

    Raises:
        ParamsError: There is none.
    """
    by_name = {member.dataset: member for member in members}
    if edition.dataset not in by_name:
        where, expected = f"edition {edition.name}: dataset", "one of " + ", ".join(by_name)
        raise ParamsError(where, "unknown data set", expected=expected, found=edition.dataset)
    return by_name[edition.dataset]


def advice(edition: Edition) -> str:
    """Say what to do about faults of an archive, damaged videos among them."""
    return (
        f"Fix them, or list a video under editions.{edition.name}.excluded in params.yaml "
        "to continue without it"
    )


def check_expected(root: Path, clips: Clips, edition: Edition) -> None:
    """Raise unless the archive under `root` has the published sizes and test ids.

    Raises:
        ManyFaults: Every split that differs, and how.
    """
    faults = FaultList()
    for split, counts in (edition.counts or {}).items():
        rows = clips.split(split).with_excluded
        found = (len({clip.video for clip in rows}), len(rows))
        with faults.collected():
            if found != (counts.videos, counts.clips):
                raise ArchiveError(
                    root,
                    f"split {split} is not as published",
                    expected=f"{counts.videos} videos, {counts.clips} clips",
                    found=f"{found[0]} videos, {found[1]} clips",
                    do="Fetch what is missing; if this is a new release, write its numbers into "
                    f"{edition_file(edition.name)} and raise the version there",
                )
    for split in edition.ids or {}:
        with faults.collected():
            _check_ids(root, clips, edition, split)
    faults.raise_any(root)


def _check_ids(root: Path, clips: Clips, edition: Edition, split: Split) -> None:
    wanted = listed_ids(edition, split) or []
    found = [clip.clip_id for clip in clips.split(split).with_excluded]
    # The order counts as well: the leaderboard reads its file row by row.
    if found == wanted:
        return
    differ = sorted({*found} ^ {*wanted})
    what = f"{len(differ)} differ, first {differ[0]}" if differ else "the same, in another order"
    raise ArchiveError(
        root,
        f"clips of {split} are not those that the leaderboard wants",
        expected=f"the {len(wanted)} ids of {(edition.ids or {})[split]}",
        found=f"{len(found)} ids; {what}",
    )


def label_differences(clips: Clips, edition: Edition) -> list[str]:
    """Write one sentence per class whose clips are not as many as published."""
    notes = []
    for split in SPLITS:
        published = (edition.label_counts or {}).get(split)
        if published is None or split in edition.withheld:
            continue
        labels = [clip.label for clip in clips.split(split).with_excluded if clip.label is not None]
        counts = np.bincount(labels, minlength=len(published))
        notes += [
            f"{split}: {found} clips of class {k} ({edition.classes[k]}), published {wanted}"
            for k, (found, wanted) in enumerate(zip(counts.tolist(), published, strict=True))
            if found != wanted
        ]
    return notes
