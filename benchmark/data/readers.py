"""Prepared clips -> frames and keypoints. The only module that imports decord.

decord is fast but returns wrong frames on open-GOP files; the packer writes closed GOPs only.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.skeletons import read_layout
from benchmark.core.errors import ClipUnreadable
from benchmark.core.foreign_file import load_array
from benchmark.data.manifest import read_manifest

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips

AGAIN = "Run 'dvc repro -f prepare'"


def readable_width(width: int) -> int:
    """Return the smallest even width in pixels, at least `width`, that decord reads.

    The FFmpeg in decord 0.6.0 pads each row to a multiple of 32 pixels. decord divides the padded
    row by the width to count the channels: where that gives a whole number other than 3, as for
    2, 4, 6, 8, 12, 16, 24, 48 and 72 pixels, it fails. The height does not matter.
    """
    row = -(-width // 32) * 32
    return readable_width(width + 2) if row != width and 3 * row % width == 0 else width


class PackedVideos:
    """Frames of single clips out of the tar shards of one modality.

    Decoded clips are kept until they take `cache_gib`; none is dropped for another, because an
    epoch comes to each clip once.
    """

    def __init__(self, folder: Path, clips: Clips, *, cache_gib: float = 0.0) -> None:
        self._folder = folder
        self._room = int(cache_gib * 2**30)
        self._kept: dict[str, NDArray[np.uint8]] = {}
        self._rows = read_manifest(folder, clips)

    def num_frames(self, clip_id: str) -> int:
        return self._rows[clip_id].frames

    def read(self, clip_id: str, frames: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Read the frames with these numbers, in this order: uint8 (n, H, W, 3) RGB.

        Raises:
            ClipUnreadable: The stored bytes cannot be decoded or hold another number of frames.
        """
        if (kept := self._kept.get(clip_id)) is not None:
            return kept[frames]
        row = self._rows[clip_id]
        if (size := row.frames * row.height * row.width * 3) > self._room:
            return self._decode(clip_id, frames)
        self._room -= size
        self._kept[clip_id] = self._decode(clip_id, np.arange(row.frames))
        return self._kept[clip_id][frames]

    def _decode(self, clip_id: str, frames: NDArray[np.int64]) -> NDArray[np.uint8]:
        import decord

        row = self._rows[clip_id]
        path = self._folder / row.shard
        try:
            with path.open("rb") as file:
                file.seek(row.offset)
                data = file.read(row.size)
        except FileNotFoundError:
            raise ClipUnreadable(path, "is missing", do=AGAIN) from None
        try:
            reader = decord.VideoReader(io.BytesIO(data), num_threads=1, fault_tol=0)
            if len(reader) != row.frames:
                raise ClipUnreadable(
                    f"clip {clip_id} in {row.shard}", "length differs from manifest.parquet",
                    expected=f"{row.frames} frames", found=f"{len(reader)} frames",
                    do=AGAIN,
                )  # fmt: skip
            wanted, inverse = np.unique(frames, return_inverse=True)
            # Without the columns that the packer added for the sake of `readable_width`.
            return np.ascontiguousarray(reader.get_batch(wanted).asnumpy()[inverse, :, : row.width])
        except (RuntimeError, decord.DECORDError) as error:
            raise ClipUnreadable(f"clip {clip_id} in {row.shard}", str(error)) from None


class SkeletonReader:
    """Keypoints of single clips, out of the memory-mapped arrays of one modality."""

    def __init__(self, folder: Path, clips: Clips) -> None:
        self.layout = read_layout(folder)
        self._folder = folder
        self._rows = read_manifest(folder, clips)
        self._shards: dict[str, NDArray[np.float32]] = {}

    def read(self, clip_id: str) -> NDArray[np.float32]:
        """Read the keypoints of one clip: float32 (T, J, 3) of x px, y px, confidence 0..1.

        Raises:
            ClipUnreadable: The array is missing, damaged or too short.
        """
        row = self._rows[clip_id]
        part = self._shard(row.shard)[row.offset : row.offset + row.size]
        if len(part) < row.size:
            raise ClipUnreadable(
                f"clip {clip_id} in {row.shard}", "length differs from manifest.parquet",
                expected=f"{row.size} rows", found=f"{len(part)} rows", do=AGAIN,
            )  # fmt: skip
        # A copy: callers move the points, and the file behind the map must stay as it is.
        return np.array(part)

    def _shard(self, name: str) -> NDArray[np.float32]:
        if name not in self._shards:
            path = self._folder / name
            try:
                self._shards[name] = load_array(path, mmap_mode="r")
            except FileNotFoundError:
                raise ClipUnreadable(path, "is missing", do=AGAIN) from None
            except ValueError as error:
                raise ClipUnreadable(path, f"cannot be read ({error})", do=AGAIN) from None
        return self._shards[name]
