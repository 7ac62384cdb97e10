"""RGB clips cut out of the raw videos: decoded once, in order, stored as short H.264 in tars."""

from __future__ import annotations

import io
import tarfile
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np

from benchmark.datasets.imigue import RawVideo, raw_videos
from benchmark.errors import ArchiveError
from benchmark.files import replacing
from benchmark.modalities.media import Medium, write_media
from benchmark.video import read_frames, write_video
from benchmark.workers import map_in_processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.clips import Clip, Clips
    from benchmark.params import RgbMedia

    Frame: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class Shard:
    """The clips of some videos, to be written to one tar."""

    name: str
    videos: tuple[RawVideo, ...]
    clips: tuple[Clip, ...]


def prepare(spec: RgbMedia, raw: Path, clips: Clips, folder: Path, *, workers: int) -> None:
    """Cut, resize and pack every clip; bytes do not depend on `workers`.

    Raises:
        ArchiveError: A raw video cannot be decoded up to the end of its last clip.
    """
    shards = _plan(spec, raw_videos(raw), clips)
    write = partial(_write_shard, spec=spec, folder=folder)
    packed = map_in_processes(write, shards, what="pack rgb", workers=workers)
    media = [medium for shard in packed for medium in shard]
    write_media(media, folder, clips, spec=spec.model_dump_json())


def _plan(spec: RgbMedia, videos: list[RawVideo], clips: Clips) -> list[Shard]:
    """Neighbouring videos share a shard; shards hold about equally many clips."""
    counts = Counter(clips.videos)
    per_shard = max(1, -(-len(clips) // spec.shards))
    groups: dict[int, list[RawVideo]] = defaultdict(list)
    before = 0
    for video in videos:
        groups[before // per_shard].append(video)
        before += counts[video.video]
    shards = []
    for number, group in enumerate(groups.values()):
        names = {video.video for video in group}
        rows = tuple(clip for clip in clips if clip.video in names)
        shards.append(Shard(f"shard-{number:03d}.tar", tuple(group), rows))
    return shards


def _write_shard(shard: Shard, *, spec: RgbMedia, folder: Path) -> list[Medium]:
    """Write one tar; where each of its clips lies."""
    media = []
    with replacing(folder / shard.name) as work, tarfile.open(work, "w") as tar:
        for video in shard.videos:
            wanted = [clip for clip in shard.clips if clip.video == video.video]
            for clip, frames in _cut(video, wanted, spec.short_side):
                buffer = io.BytesIO()
                fps = round(clip.fps)
                write_video(buffer, frames, fps, crf=spec.crf, gop=spec.gop, preset="medium")
                offset, size = _add(tar, f"{clip.clip_id}.mp4", buffer.getvalue())
                height, width = frames[0].shape[:2]
                media.append(
                    Medium(clip.clip_id, shard.name, offset, size, len(frames), height, width)
                )
    return media


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> tuple[int, int]:
    """Append a member with fixed owner and time; its (offset of the data, size)."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    offset = tar.offset + len(info.tobuf(tar.format, tar.encoding or "utf-8", tar.errors))
    tar.addfile(info, io.BytesIO(data))
    return offset, len(data)


def _cut(video: RawVideo, clips: list[Clip], short_side: int) -> Iterator[tuple[Clip, list[Frame]]]:
    """Each clip with its frames once the last one is decoded; clips may overlap."""
    waiting = sorted(clips, key=lambda clip: clip.start_frame)
    begun: list[tuple[Clip, list[Frame]]] = []
    for number, frame in enumerate(read_frames(video.media)):
        while waiting and waiting[0].start_frame == number:
            begun.append((waiting.pop(0), []))
        if begun:
            small = resized(frame, short_side)
            for _, frames in begun:
                frames.append(small)
        yield from (item for item in begun if item[0].end_frame == number + 1)
        begun = [item for item in begun if item[0].end_frame > number + 1]
    if missed := [*waiting, *(clip for clip, _ in begun)]:
        first = missed[0].clip_id
        raise ArchiveError(video.media, f"ended before clip {first} did", do="Fetch it again")


def resized(frame: Frame, short_side: int) -> Frame:
    """The frame with its shorter side brought to `short_side`, sides even (4:2:0 needs it)."""
    height, width = frame.shape[:2]
    scale = short_side / min(height, width)
    size = (2 * round(width * scale / 2), 2 * round(height * scale / 2))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, size, interpolation=how), np.uint8)
