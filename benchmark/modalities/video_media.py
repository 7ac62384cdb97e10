"""Packed clips -> frames: the only module that imports decord.

decord is fast but returns wrong frames on open-GOP files; the packer writes closed GOPs only.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from benchmark.errors import ClipUnreadable
from benchmark.modalities.media import read_media

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.clips import Clips


class PackedVideos:
    """Frames of single clips out of the tar shards of one modality."""

    def __init__(self, folder: Path, clips: Clips) -> None:
        self._folder = folder
        self._media = read_media(folder, clips)

    def num_frames(self, clip_id: str) -> int:
        """Frames that the clip has."""
        return self._media[clip_id].frames

    def read(self, clip_id: str, frames: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The frames with these numbers, in this order: uint8 (n, H, W, 3) RGB.

        Raises:
            ClipUnreadable: The stored bytes cannot be decoded or hold another number of frames.
        """
        import decord

        row = self._media[clip_id]
        with (self._folder / row.shard).open("rb") as file:
            file.seek(row.offset)
            data = file.read(row.size)
        try:
            reader = decord.VideoReader(io.BytesIO(data), num_threads=1, fault_tol=0)
            if len(reader) != row.frames:
                found = f"{len(reader)} frames"
                raise ClipUnreadable(
                    f"clip {clip_id} in {row.shard}",
                    "length differs from media.parquet",
                    expected=f"{row.frames} frames",
                    found=found,
                    do="Run 'dvc repro -f prepare'",
                )
            wanted, inverse = np.unique(frames, return_inverse=True)
            return reader.get_batch(wanted).asnumpy()[inverse]
        except (RuntimeError, decord.DECORDError) as error:
            raise ClipUnreadable(f"clip {clip_id} in {row.shard}", str(error)) from None
