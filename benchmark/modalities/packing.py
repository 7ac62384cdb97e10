"""Packing: raw videos -> clips of one modality, stored as short H.264 in tar shards.

Each raw video is decoded once, in order.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np

from benchmark.archives.archive import advice
from benchmark.archives.union import open_archive
from benchmark.core.errors import ArchiveError
from benchmark.core.video import VideoWriter, read_frames
from benchmark.data import manifest
from benchmark.data.manifest import ManifestRow, write_manifest
from benchmark.data.readers import readable_width
from benchmark.data.statistics import ChannelCounts
from benchmark.modalities import shards

if TYPE_CHECKING:
    from benchmark.archives.raw_files import RawFile
    from benchmark.contracts.clips import Clip, Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.modality import (
        Frame,
        FrameExtractor,
        ModalityBase,
        Values,
        VideoModality,
    )  # fmt: skip
    from benchmark.modalities.person_crop import PersonCropModality
    from benchmark.modalities.shards import Shard

    Start: TypeAlias = Callable[[Clip], FrameExtractor]
    Stamps: TypeAlias = Callable[[Sequence[Clip]], list[object]]


@dataclass(frozen=True)
class PackingJob:
    """What is packed, and where to."""

    spec: ModalityBase
    """The modality."""
    raw: Path
    edition: Edition
    clips: Clips
    what: str
    """Name of the data, for the progress bar."""
    config: str
    """JSON of everything that the result depends on, besides code and raw files."""
    workers: int
    """Processes."""
    work: Path
    """Folder in which the result grows; a later call resumes there."""

    def make(self, plan: list[Shard], write: shards.Write) -> list[str]:
        """Make the files of a plan with keys, and their manifest; return the names of all.

        Raises:
            ManyFaults: After all files were tried.
        """
        rows = shards.make_shards(
            plan, write, self.work, what=f"prepare {self.what}", workers=self.workers,
            do=advice(self.edition),
        )  # fmt: skip
        write_manifest(rows, self.work, self.clips, spec=self.config)
        return [manifest.FILE, *(shard.name for shard in plan)]


def pack_videos(
    job: PackingJob, start: Start, *, render: Callable[[Any], Frame] = np.asarray,
    more_stamps: Stamps | None = None,
) -> list[str]:  # fmt: skip
    """Extract every clip and pack it into `job.work`; return the names of its files.

    Args:
        job: What is packed.
        start: Begins the extraction of a clip; it may use per-clip data. Worker processes must be
            able to import it.
        render: Turns extracted values into the stored frame, uint8 (H, W, 3), even sides; by
            default the values are one.
        more_stamps: Returns a value that changes whenever the per-clip data of these clips do; it
            is part of the shard's key.

    Raises:
        ManyFaults: Every raw video that cannot be decoded up to the end of its last clip.
    """
    spec: Any = job.spec  # a modality whose data are videos: it has gop, crf and pixel_format
    begin = partial(_begin, spec=spec, start=start, render=render)
    files = open_archive(job.raw, job.edition).needed_video_files()
    plan = shards.plan_shards(job.clips, job.spec.shards, "shard-{:03d}.tar")
    plan = shards.keyed(plan, stamps_of(files, more_stamps), job)
    return job.make(plan, partial(_write_shard, files=files, begin=begin))


def stamps_of(files: Mapping[str, RawFile], more: Stamps | None = None) -> Stamps:
    """Return what stamps the raw files of some clips, and what `more` says of the clips."""

    def stamps(clips: Sequence[Clip]) -> list[object]:
        own = [files[video].stamp() for video in dict.fromkeys(clip.video for clip in clips)]
        return [*own, *(more(clips) if more else ())]

    return stamps


def _write_shard(
    shard: Shard, path: Path, *, files: dict[str, RawFile], begin: Callable[[Clip], _Packing]
) -> list[ManifestRow]:
    """Write one tar; return where each of its clips lies.

    Args:
        shard: Clips of the tar.
        path: The tar.
        files: Raw file of each video.
        begin: Begins to extract and to encode a clip.
    """
    cv2.setNumThreads(1)  # the shards run in parallel already
    rows = []
    with tarfile.open(path, "w") as tar:
        for clips, faults in shards.collect_videos(shard):
            with faults.collected():
                for packed in _cut(files[clips[0].video], clips, begin):
                    data = packed.buffer.getvalue()
                    offset, size = _add(tar, f"{packed.clip.clip_id}.mp4", data)
                    height, width = packed.shape
                    rows.append(
                        ManifestRow(
                            packed.clip.clip_id, shard.name, offset, size, packed.writer.frames,
                            height, width, packed.counts.sums(), packed.counts.squares(),
                        )
                    )  # fmt: skip
    return rows


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> tuple[int, int]:
    """Append a member with fixed owner and time; return (offset of the data, size)."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    offset = tar.offset + len(info.tobuf(tar.format, tar.encoding or "utf-8", tar.errors))
    tar.addfile(info, io.BytesIO(data))
    # Nobody asks for them, and a day of windows has many.
    tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]
    return offset, len(data)


@dataclass
class _Packing:
    """A clip that is being encoded, frame by frame: long ones need no memory."""

    clip: Clip
    extractor: FrameExtractor
    render: Callable[[Any], Frame]
    buffer: io.BytesIO
    writer: VideoWriter
    counts: ChannelCounts = field(default_factory=ChannelCounts)
    shape: tuple[int, int] = (0, 0)
    """Height and width of its frames."""

    def add(self, frame: Frame) -> None:
        self._write(self.extractor.add(frame))

    def finish(self) -> None:
        self._write(self.extractor.finish())
        self.writer.close()

    def _write(self, values: Iterable[Values]) -> None:
        for value in values:
            frame = self.render(value)
            more = readable_width(frame.shape[1]) - frame.shape[1]
            # The manifest has the true width: the reader cuts the repeated last column off.
            self.writer.add(np.pad(frame, ((0, 0), (0, more), (0, 0)), "edge") if more else frame)
            self.counts.add(frame)
            self.shape = (frame.shape[0], frame.shape[1])


def _cut(file: RawFile, clips: list[Clip], begin: Callable[[Clip], _Packing]) -> Iterator[_Packing]:
    """Yield each clip once its last frame is in; clips may overlap."""
    waiting = sorted(clips, key=lambda clip: clip.start_frame)
    last = max(clip.end_frame for clip in clips) - 1
    begun: list[_Packing] = []
    with file.local() as path:
        try:
            for number, frame in enumerate(read_frames(path)):
                while waiting and waiting[0].start_frame == number:
                    clip = waiting.pop(0)
                    begun.append(begin(clip))
                for packing in begun:
                    packing.add(frame)
                for packing in [p for p in begun if p.clip.end_frame == number + 1]:
                    packing.finish()
                    begun.remove(packing)
                    yield packing
                if number == last:
                    return
        except ArchiveError as error:
            raise _lost(begun, waiting, str(error)) from None
        finally:
            # Nothing may keep a finished writer: its encoder holds megabytes.
            for packing in begun:
                packing.writer.close()
        raise _lost(begun, waiting, f"{path}: ended too early; expected {last + 1} frames")


def _lost(begun: list[_Packing], waiting: list[Clip], why: str) -> ArchiveError:
    names = [clip.clip_id for clip in (*(packing.clip for packing in begun), *waiting)]
    some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return ArchiveError(f"{len(names)} clip(s), {some}", f"cannot be cut: {why}")


def _begin(
    clip: Clip, *, spec: VideoModality | PersonCropModality, start: Start,
    render: Callable[[Any], Frame],
) -> _Packing:  # fmt: skip
    buffer = io.BytesIO()
    writer = VideoWriter(buffer, clip.fps, crf=spec.crf, gop=spec.gop, pixels=spec.pixel_format)
    return _Packing(clip, start(clip), render, buffer, writer)
