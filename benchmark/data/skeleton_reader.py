"""Prepared keypoints of single clips, memory-mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.contracts.skeletons import read_layout
from benchmark.data.manifest import read_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips


class SkeletonReader:
    """Keypoints of single clips."""

    def __init__(self, folder: Path, clips: Clips) -> None:
        self.layout = read_layout(folder)
        self._folder = folder
        self._media = read_manifest(folder, clips)
        self._shards: dict[str, NDArray[np.float32]] = {}

    def read(self, clip_id: str) -> NDArray[np.float32]:
        """Keypoints of one clip: float32 (T, J, 3) of x px, y px, confidence 0..1."""
        medium = self._media[clip_id]
        if (shard := self._shards.get(medium.shard)) is None:
            shard = np.load(self._folder / medium.shard, mmap_mode="r", allow_pickle=False)
            self._shards[medium.shard] = shard
        return np.array(shard[medium.offset : medium.offset + medium.size])
