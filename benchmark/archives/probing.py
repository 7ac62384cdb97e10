"""Looking at raw videos without decoding them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.core.errors import BenchmarkError
from benchmark.core.video import VideoInfo, probe

if TYPE_CHECKING:
    from benchmark.archives.raw_files import RawFile

NO_INFO = VideoInfo(width=0, height=0, fps=0.0, frames=0)
"""Stands for a left-out video that cannot even be opened."""


def probe_raw(file: RawFile, *, excluded: bool) -> VideoInfo:
    """Size, rate and frames of a video; `NO_INFO` for a left-out one that cannot be opened.

    Raises:
        ArchiveError: The video is damaged, and nobody asked to leave it out.
    """
    try:
        with file.local() as path:
            return probe(path)
    except BenchmarkError:
        if excluded:
            return NO_INFO
        raise
