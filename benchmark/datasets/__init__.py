"""Raw archives -> the index: one module a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.clips import Clips
    from benchmark.editions import Edition


def read_archive(root: Path, edition: Edition, *, workers: int) -> Clips:
    """Index the raw archive of `edition` under `root`.

    Raises:
        ArchiveError: Anything in the archive is missing, damaged or contradicts itself.
    """
    match edition.dataset:
        case "imigue":
            from benchmark.datasets import imigue

            return imigue.read_archive(root, edition, workers=workers)
        case _:
            assert_never(edition.dataset)
