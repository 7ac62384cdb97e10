"""Keypoints of every clip: `keypoints-*.npy` float32 (sum of frames, J, 3) and their layout."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmark import layouts
from benchmark.datasets import advice, raw_keypoints
from benchmark.errors import ArchiveError
from benchmark.layouts import choose, write_layout
from benchmark.modalities import media as media_table
from benchmark.modalities import shards
from benchmark.modalities.media import Medium, write_media

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.clips import Clips
    from benchmark.datasets.keypoints import RawKeypoints
    from benchmark.editions import Edition
    from benchmark.layouts import Layout
    from benchmark.media_params import SkeletonMedia
    from benchmark.modalities.shards import Shard


def prepare(
    spec: SkeletonMedia, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
) -> None:
    """Read every raw file once, keep the layout's points, cut at the clips.

    Raises:
        ManyFaults: Every file that is damaged, or shorter than a clip of its video.
        ParamsError: The archive's skeletons do not have this layout.
    """
    source = raw_keypoints(raw, edition)
    if source is None:
        raise ArchiveError(
            raw,
            "the archive brings no keypoints",
            do="Give them (docs/own-clips.md), or find them in the videos: media of kind 'pose' "
            "(docs/skeletons-from-video.md)",
        )
    points = choose(spec.layout, source.own_layout)
    work = shards.work_folder(out)
    plan = shards.keyed(
        shards.plan_shards(clips, spec.shards, "keypoints-{:03d}.npy"),
        source.stamps,
        spec.model_dump_json() + points.model_dump_json(),
    )
    write = partial(_write_shard, source=source, points=points)
    made = shards.make_shards(
        plan, write, work, what="read keypoints", workers=workers, do=advice(edition)
    )
    write_media(made, work, clips, spec=spec.model_dump_json())
    write_layout(points, work)
    names = [shard.name for shard in plan]
    shards.finish(work, out, [media_table.FILE, layouts.FILE, *names])


def _write_shard(shard: Shard, path: Path, *, source: RawKeypoints, points: Layout) -> list[Medium]:
    parts, media, offset = [], [], 0
    kept = list(points.points)
    for clips, faults in shards.collect_videos(shard):
        with faults.collected():
            for clip, found in source.of_video(clips):
                parts.append(found[:, kept])
                size = (clip.frames, clip.frames, clip.height, clip.width)
                media.append(Medium(clip.clip_id, shard.name, offset, *size))
                offset += clip.frames
    with path.open("wb") as file:  # np.save would add an ending to the name
        np.save(file, np.concatenate(parts))
    return media
