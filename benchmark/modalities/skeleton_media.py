"""Prepared keypoints of single clips, memory-mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.modalities.media import read_media

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.clips import Clips

FILE = "keypoints.npy"


class SkeletonReader:
    """Keypoints of single clips, memory-mapped."""

    def __init__(self, folder: Path, clips: Clips) -> None:
        self._media = read_media(folder, clips)
        self._keypoints = np.load(folder / FILE, mmap_mode="r")

    def read(self, clip_id: str) -> NDArray[np.float32]:
        """Keypoints of one clip: float32 (T, J, 3) of x px, y px, confidence 0..1."""
        medium = self._media[clip_id]
        return np.array(self._keypoints[medium.offset : medium.offset + medium.size])
