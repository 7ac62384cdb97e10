"""The base class of all data sets: what the harness asks of a raw archive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from benchmark.archives.expected_counts import check_expected
from benchmark.contracts.clips import Clips, check_clips
from benchmark.core.errors import ArchiveError, ManyFaults, ParamsError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from benchmark.archives.keypoints import RawKeypoints
    from benchmark.archives.raw_files import RawFile
    from benchmark.editions.edition import Edition


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
        """

    @abstractmethod
    def video_files(self) -> dict[str, RawFile]:
        """Map each video to its file; the file of an excluded video may be missing.

        Raises:
            ArchiveError: A file is missing.
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
            ArchiveError: A file is missing or damaged.
        """
        from benchmark.archives.raw_files import probe_raw

        files = self.needed_video_files()
        return [probe_raw(files[video], excluded=False).frames for video in videos]

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
