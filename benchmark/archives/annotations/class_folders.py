"""Videos in folders named after their class, perhaps below folders named after their split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.archives.annotations.annotation import Annotation
from benchmark.archives.annotations.splits import SPLIT_NAMES
from benchmark.core.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def read_class_folders(root: Path, videos: Iterable[Path]) -> list[Annotation]:
    """Take the class of each video from its folder: `wave/a.mp4`, or `train/wave/a.mp4`.

    Raises:
        ArchiveError: A video lies in no folder of a class.
    """
    found = []
    for video in videos:
        *folders, name = video.relative_to(root).parts
        split = folders.pop(0) if len(folders) > 1 and folders[0].lower() in SPLIT_NAMES else None
        if len(folders) != 1:
            raise ArchiveError(
                video, "lies in no folder of a class",
                expected=f"{root}/CLASS/{name} or {root}/train/CLASS/{name}, or a table",
            )  # fmt: skip
        path = video.relative_to(root).as_posix()
        found.append(Annotation(str(video), path, folders[0], split=split))
    return found
