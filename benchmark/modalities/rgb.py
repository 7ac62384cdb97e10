"""RGB clips cut out of the raw videos: decoded once, in order, stored as short H.264 in tars."""

from __future__ import annotations

import io
import tarfile
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import pandas as pd

from benchmark.datasets.imigue import RawVideo, raw_videos
from benchmark.errors import ArchiveError
from benchmark.files import replacing
from benchmark.modalities.media import write_media
from benchmark.video import read_frames, write_video
from benchmark.workers import map_in_processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.clips import Clips
    from benchmark.params import RgbMedia

    Frame: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class Shard:
    """The clips of some videos, to be written to one tar."""

    name: str
    videos: tuple[RawVideo, ...]
    clips: pd.DataFrame


def prepare(spec: RgbMedia, raw: Path, clips: Clips, folder: Path, *, workers: int) -> None:
    """Cut, resize and pack every clip; bytes do not depend on `workers`.

    Raises:
        ArchiveError: A raw video cannot be decoded up to the end of its last clip.
    """
    shards = _plan(spec, raw_videos(raw), clips)
    write = partial(_write_shard, spec=spec, folder=folder)
    tables = map_in_processes(write, shards, what="pack rgb", workers=workers)
    table = pd.concat(tables).set_index("clip_id").loc[clips.ids].reset_index()
    write_media(table, folder, clips, spec=spec.model_dump_json())


def _plan(spec: RgbMedia, videos: list[RawVideo], clips: Clips) -> list[Shard]:
    """Neighbouring videos share a shard; shards hold about equally many clips."""
    counts = clips.table["video"].value_counts()
    per_shard = max(1, -(-len(clips) // spec.shards))
    groups: dict[int, list[RawVideo]] = defaultdict(list)
    before = 0
    for video in videos:
        groups[before // per_shard].append(video)
        before += int(counts.get(video.video, 0))
    return [
        Shard(
            f"shard-{number:03d}.tar",
            tuple(group),
            clips.table[clips.table["video"].isin([video.video for video in group])],
        )
        for number, group in enumerate(groups.values())
    ]


def _write_shard(shard: Shard, *, spec: RgbMedia, folder: Path) -> pd.DataFrame:
    """Write one tar; the rows of its clips for media.parquet."""
    rows = []
    with replacing(folder / shard.name) as work, tarfile.open(work, "w") as tar:
        for video in shard.videos:
            wanted = shard.clips[shard.clips["video"] == video.video]
            for clip_id, frames, fps in _cut(video, wanted, spec.short_side):
                buffer = io.BytesIO()
                write_video(buffer, frames, fps, crf=spec.crf, gop=spec.gop, preset="medium")
                offset, size = _add(tar, f"{clip_id}.mp4", buffer.getvalue())
                height, width = frames[0].shape[:2]
                rows.append((clip_id, shard.name, offset, size, len(frames), height, width))
    columns = ["clip_id", "shard", "offset", "size", "frames", "height", "width"]
    return pd.DataFrame(rows, columns=columns)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> tuple[int, int]:
    """Append a member with fixed owner and time; its (offset of the data, size)."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    offset = tar.offset + len(info.tobuf(tar.format, tar.encoding or "utf-8", tar.errors))
    tar.addfile(info, io.BytesIO(data))
    return offset, len(data)


def _cut(
    video: RawVideo, clips: pd.DataFrame, short_side: int
) -> Iterator[tuple[str, list[Frame], float]]:
    """(clip_id, frames, fps) of each clip once its last frame is decoded; clips may overlap."""
    waiting = list(clips.sort_values("start_frame").itertuples())
    open_clips: list[tuple[int, str, float, list[Frame]]] = []
    for number, frame in enumerate(read_frames(video.media)):
        while waiting and waiting[0].start_frame == number:
            clip = waiting.pop(0)
            open_clips.append((clip.end_frame, clip.clip_id, clip.fps, []))
        if open_clips:
            small = resized(frame, short_side)
            for _, _, _, frames in open_clips:
                frames.append(small)
        for _, clip_id, fps, frames in [c for c in open_clips if c[0] == number + 1]:
            yield clip_id, frames, fps
        open_clips = [clip for clip in open_clips if clip[0] != number + 1]
    if waiting or open_clips:
        first = waiting[0].clip_id if waiting else open_clips[0][1]
        raise ArchiveError(video.media, f"ended before clip {first} did", do="Fetch it again")


def resized(frame: Frame, short_side: int) -> Frame:
    """The frame with its shorter side brought to `short_side`, sides even (4:2:0 needs it)."""
    height, width = frame.shape[:2]
    scale = short_side / min(height, width)
    size = (2 * round(width * scale / 2), 2 * round(height * scale / 2))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, size, interpolation=how), np.uint8)
