"""Keypoints of every clip -> `keypoints-*.npy` float32 (sum of frames, J, 3), and their layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark.archives.union import open_archive
from benchmark.contracts import skeletons
from benchmark.core.errors import ArchiveError
from benchmark.data.manifest import ManifestRow
from benchmark.modalities import shards

if TYPE_CHECKING:
    from benchmark.archives.keypoints import RawKeypoints
    from benchmark.contracts.clips import Clip
    from benchmark.contracts.skeletons import Layout
    from benchmark.editions.edition import Edition
    from benchmark.modalities.packing import PackingJob, Stamps
    from benchmark.modalities.shards import Shard

    Keypoints: TypeAlias = NDArray[np.float32]
    OfVideo: TypeAlias = Callable[[list[Clip]], Iterable[tuple[Clip, Keypoints]]]


def given_keypoints(raw: Path, edition: Edition, *, hint: str) -> RawKeypoints:
    """Return the keypoints that come with the archive; `hint` says what else one can do.

    Raises:
        ArchiveError: It has none.
    """
    source = open_archive(raw, edition).keypoints()
    if source is None:
        raise ArchiveError(
            raw, "the archive has no keypoints", do=f"Give them (docs/own-clips.md){hint}"
        )
    return source


def pack_keypoints(job: PackingJob, layout: Layout, of_video: OfVideo, stamps: Stamps) -> list[str]:
    """Write the layout's points of every clip into `job.work`; return the names of its files.

    Args:
        job: What is packed.
        layout: Which points of the source are kept.
        of_video: Yields each clip of one video with its float32 (T, N, 3) of all points of the
            source; worker processes must be able to import it.
        stamps: Returns values that change when the raw files of some clips do.

    Raises:
        ManyFaults: Every video whose keypoints cannot be read or found.
    """
    plan = shards.plan_shards(job.clips, job.spec.shards, "keypoints-{:03d}.npy")
    plan = shards.keyed(plan, stamps, job, layout.model_dump_json())
    write = partial(_write_shard, of_video=of_video, kept=list(layout.points))
    names = job.make(plan, write)
    skeletons.write_layout(layout, job.work)
    return [*names, skeletons.FILE]


def _write_shard(
    shard: Shard, path: Path, *, of_video: OfVideo, kept: list[int]
) -> list[ManifestRow]:
    rows, offset = [], 0
    total = sum(clip.frames for clip in shard.clips)
    # Clip after clip: the windows of a video of hours would not fit into memory together.
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (total, len(kept), 3)}
        np.lib.format.write_array_header_1_0(file, header)
        for clips, faults in shards.collect_videos(shard):
            with faults.collected():
                for clip, found in of_video(clips):
                    file.write(np.ascontiguousarray(found[:, kept], "<f4").data)
                    size = (clip.frames, clip.frames, clip.height, clip.width)
                    rows.append(ManifestRow(clip.clip_id, shard.name, offset, *size))
                    offset += clip.frames
    return rows
