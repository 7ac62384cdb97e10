"""Raw archives -> the index, the raw modality and the raw keypoints: one module a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from benchmark.archives.expected_counts import check_published
from benchmark.contracts.clips import check_clips
from benchmark.core.errors import ArchiveError, ManyFaults
from benchmark.editions.edition import read_edition

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from benchmark.archives.keypoints import RawKeypoints
    from benchmark.archives.raw_files import RawFile
    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition


def read_archive(root: Path, edition: Edition, *, excluded: Collection[str], workers: int) -> Clips:
    """Index the raw archive of `edition` under `root` and check it against what was published.

    Videos in `excluded` may be damaged; their clips are listed and marked.

    Raises:
        ManyFaults: Everything that is missing, damaged, contradicts itself or is not as published.
        ArchiveError: A video to be left out is not in the archive.
        FormatError: A clip id comes twice, or a video is in two splits.
    """
    try:
        clips = _read(root, edition, excluded, workers)
    except ManyFaults as fault:
        raise ManyFaults(root, [fault], do=advice(edition)) from None
    if unknown := sorted({*excluded} - {clip.video for clip in clips.with_excluded}):
        where = f"editions.{edition.name}.excluded"
        raise ArchiveError(where, f"no video {unknown[0]} in {root}", found=", ".join(unknown))
    check_clips(clips, edition, where=root)
    check_published(root, clips, edition)
    return clips


def _read(root: Path, edition: Edition, excluded: Collection[str], workers: int) -> Clips:
    match edition.dataset:
        case "imigue":
            from benchmark.archives import imigue

            return imigue.read_archive(root, edition, excluded=excluded, workers=workers)
        case "ma52":
            from benchmark.archives import ma52

            return ma52.read_archive(root, edition, excluded=excluded, workers=workers)
        case "folder":
            from benchmark.archives import folder

            return folder.read_archive(root, edition, excluded=excluded, workers=workers)
        case _:
            assert_never(edition.dataset)


def raw_video_files(root: Path, edition: Edition) -> dict[str, RawFile]:
    """The file of each video.

    Raises:
        ArchiveError: A file is missing.
    """
    match edition.dataset:
        case "imigue":
            from benchmark.archives import imigue

            return {video.video: video.modality for video in imigue.raw_videos(root)}
        case "ma52":
            from benchmark.archives import ma52

            return ma52.raw_video_files(root)
        case "folder":
            from benchmark.archives import folder

            return folder.raw_video_files(root)
        case _:
            assert_never(edition.dataset)


def raw_keypoints(root: Path, edition: Edition) -> RawKeypoints | None:
    """The keypoints that come with the archive; None where it brings none.

    Raises:
        ArchiveError: Files are missing.
        ParamsError: A description of one's own skeletons breaks its schema.
    """
    match edition.dataset:
        case "imigue":
            from benchmark.archives import imigue
            from benchmark.archives.keypoints import Sheets

            return Sheets({video.video: video.sheet for video in imigue.raw_videos(root)})
        case "ma52":
            return None
        case "folder":
            from benchmark.archives import folder

            return folder.raw_keypoints(root)
        case _:
            assert_never(edition.dataset)


def advice(edition: Edition) -> str:
    """What to do about damaged videos."""
    return (
        f"Mend them, or list a video under editions.{edition.name}.excluded in params.yaml "
        "to go on without it"
    )


def archive_module(edition: str) -> str:
    """Return the module that reads the raw archive of an edition, by the edition's name."""
    return f"benchmark.archives.{read_edition(edition).dataset}"
