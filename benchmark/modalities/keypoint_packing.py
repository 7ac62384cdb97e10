"""Keypoints of every clip -> `keypoints-*.npy` float32 (sum of frames, J, 3), and their layout."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from benchmark.archives.archive import advice
from benchmark.archives.union import open_archive
from benchmark.contracts import skeletons as layouts
from benchmark.core.errors import ArchiveError
from benchmark.data import manifest
from benchmark.data.manifest import ManifestRow, write_manifest
from benchmark.modalities import shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.archives.keypoints import RawKeypoints
    from benchmark.contracts.clips import Clip
    from benchmark.contracts.skeletons import Layout
    from benchmark.editions.edition import Edition
    from benchmark.modalities.packing import Places
    from benchmark.modalities.shards import Shard

    Keypoints: TypeAlias = NDArray[np.float32]
    OfVideo: TypeAlias = Callable[[list[Clip]], Iterable[tuple[Clip, Keypoints]]]


def given_keypoints(raw: Path, edition: Edition, *, or_else: str) -> RawKeypoints:
    """The keypoints that come with the archive; `or_else` is what one can do besides giving them.

    Raises:
        ArchiveError: It brings none.
    """
    source = open_archive(raw, edition).keypoints()
    if source is None:
        raise ArchiveError(
            raw, "the archive brings no keypoints", do=f"Give them (docs/own-clips.md){or_else}"
        )
    return source


def pack_keypoints(
    places: Places,
    points: Layout,
    of_video: OfVideo,
    stamps: Callable[[Sequence[Clip]], list[object]],
    *,
    number: int,
    workers: int,
) -> None:
    """Write the points of `points` of every clip into `number` shards of `places.out`.

    `of_video` (importable by name) gives each clip of one video with its float32 (T, N, 3) of all
    points of the source; `stamps` changes when the raw files of some clips do.

    Raises:
        ManyFaults: Every video whose keypoints cannot be had.
    """
    work = shards.work_folder(places.out)
    names = pack_keypoints_into(
        work, places, points, of_video, stamps, number=number, workers=workers
    )
    shards.finish(work, places.out, names)


def pack_keypoints_into(
    work: Path,
    places: Places,
    points: Layout,
    of_video: OfVideo,
    stamps: Callable[[Sequence[Clip]], list[object]],
    *,
    number: int,
    workers: int,
) -> list[str]:
    """As `pack_keypoints`, but into `work`, unfinished; the names of the files that belong to it.

    Raises:
        ManyFaults: Every video whose keypoints cannot be had.
    """
    plan = shards.keyed(
        shards.plan_shards(places.clips, number, "keypoints-{:03d}.npy"),
        stamps,
        places.config + points.model_dump_json(),
    )
    write = partial(_write_shard, of_video=of_video, kept=list(points.points))
    what, do = f"prepare {places.out.name}", advice(places.edition)
    made = shards.make_shards(plan, write, work, what=what, workers=workers, do=do)
    write_manifest(made, work, places.clips, spec=places.config)
    layouts.write_layout(points, work)
    return [manifest.FILE, layouts.FILE, *(shard.name for shard in plan)]


def _write_shard(
    shard: Shard, path: Path, *, of_video: OfVideo, kept: list[int]
) -> list[ManifestRow]:
    parts, modality, offset = [], [], 0
    for clips, faults in shards.collect_videos(shard):
        with faults.collected():
            for clip, found in of_video(clips):
                parts.append(found[:, kept])
                size = (clip.frames, clip.frames, clip.height, clip.width)
                modality.append(ManifestRow(clip.clip_id, shard.name, offset, *size))
                offset += clip.frames
    with path.open("wb") as file:  # np.save would add an ending to the name
        np.save(file, np.concatenate(parts))
    return modality
