"""Raw videos -> clips of one modality: decoded once, in order, stored as short H.264 in tars."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

import cv2
import numpy as np

from benchmark.archives.archive import advice
from benchmark.archives.union import open_archive
from benchmark.core.errors import ArchiveError
from benchmark.core.video import VideoWriter, read_frames
from benchmark.data import manifest
from benchmark.data.manifest import ManifestRow, write_manifest
from benchmark.data.statistics import ChannelCounts
from benchmark.modalities import shards
from benchmark.modalities.specs import PersonCropModality, RgbModality

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.archives.raw_files import RawFile
    from benchmark.contracts.clips import Clip, Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.shards import Shard
    from benchmark.modalities.specs import VideoModality

    Frame: TypeAlias = NDArray[np.uint8]
    Spec: TypeAlias = VideoModality | PersonCropModality

PRESET = "medium"
Number = TypeVar("Number", np.uint8, np.float32)


class Extraction(Protocol):
    """Frames of one clip in, frames of a modality out: in order and, in the end, as many.

    Frames are uint8 (H, W, 3). Those that come out have even sides.
    """

    def add(self, frame: Frame) -> Iterable[Frame]:
        """Take the next frame; what is finished by it."""
        ...

    def finish(self) -> Iterable[Frame]:
        """The rest, after the last frame."""
        ...


@dataclass(frozen=True)
class Places:
    """What is packed, and where to."""

    raw: Path
    edition: Edition
    clips: Clips
    out: Path
    config: str
    """Everything but code and raw files that the result hangs on, as JSON."""


def pack(
    spec: VideoModality,
    places: Places,
    start: Callable[[], Extraction],
    *,
    workers: int,
) -> None:
    """Extract every clip and pack it into `places.out`; bytes do not depend on `workers`.

    `start` (importable by name) begins the extraction of a clip.

    Raises:
        ManyFaults: Every raw video that cannot be decoded up to the end of its last clip.
    """
    work = shards.work_folder(places.out)
    begin = partial(_of_any_clip, start)
    names = pack_into(work, spec, places, begin, more_stamps=lambda _: [], workers=workers)
    shards.finish(work, places.out, names)


def _of_any_clip(start: Callable[[], Extraction], _clip: Clip) -> Extraction:
    return start()


def pack_into(
    work: Path,
    spec: Spec,
    places: Places,
    start: Callable[[Clip], Extraction],
    *,
    more_stamps: Callable[[Sequence[Clip]], list[object]],
    workers: int,
) -> list[str]:
    """As `pack`, but into `work`, left unfinished; the names of the files that belong to it.

    `start` may hang on the clip: `more_stamps` changes when what it takes for some clips does.

    Raises:
        ManyFaults: Every raw video that cannot be decoded up to the end of its last clip.
    """
    files = open_archive(places.raw, places.edition).video_files()
    plan = shards.keyed(
        shards.plan_shards(places.clips, spec.shards, "shard-{:03d}.tar"),
        lambda some: [
            *(files[name].stamp() for name in dict.fromkeys(c.video for c in some)),
            *more_stamps(some),
        ],
        places.config,
    )
    write = partial(_write_shard, spec=spec, files=files, start=start)
    packed = shards.make_shards(
        plan,
        write,
        work,
        what=f"pack {places.out.name}",
        workers=workers,
        do=advice(places.edition),
    )
    write_manifest(packed, work, places.clips, spec=places.config)
    return [manifest.FILE, *(shard.name for shard in plan)]


def _write_shard(
    shard: Shard,
    path: Path,
    *,
    spec: Spec,
    files: dict[str, RawFile],
    start: Callable[[Clip], Extraction],
) -> list[ManifestRow]:
    """Write one tar; where each of its clips lies."""
    cv2.setNumThreads(1)
    modality = []
    with tarfile.open(path, "w") as tar:
        for clips, faults in shards.collect_videos(shard):
            with faults.collected():
                for packed in _cut(files[clips[0].video], clips, spec, start):
                    data = packed.buffer.getvalue()
                    offset, size = _add(tar, f"{packed.clip.clip_id}.mp4", data)
                    height, width = packed.shape
                    modality.append(
                        ManifestRow(
                            packed.clip.clip_id, shard.name, offset, size, packed.writer.frames,
                            height, width, packed.counts.sums(), packed.counts.squares(),
                        )
                    )  # fmt: skip
    return modality


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> tuple[int, int]:
    """Append a member with fixed owner and time; its (offset of the data, size)."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    offset = tar.offset + len(info.tobuf(tar.format, tar.encoding or "utf-8", tar.errors))
    tar.addfile(info, io.BytesIO(data))
    return offset, len(data)


@dataclass
class _Packing:
    """A clip that is being encoded, frame by frame: long ones need no memory."""

    clip: Clip
    extraction: Extraction
    buffer: io.BytesIO
    writer: VideoWriter
    counts: ChannelCounts = field(default_factory=ChannelCounts)
    shape: tuple[int, int] = (0, 0)
    """Height and width of its frames."""

    def add(self, frame: Frame) -> None:
        self._write(self.extraction.add(frame))

    def finish(self) -> None:
        self._write(self.extraction.finish())
        self.writer.close()

    def _write(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.writer.add(frame)
            self.counts.add(frame)
            self.shape = (frame.shape[0], frame.shape[1])


def _cut(
    file: RawFile, clips: list[Clip], spec: Spec, start: Callable[[Clip], Extraction]
) -> Iterator[_Packing]:
    """Each clip once its last frame is in; clips may overlap."""
    waiting = sorted(clips, key=lambda clip: clip.start_frame)
    last = max(clip.end_frame for clip in clips) - 1
    begun: list[_Packing] = []
    with file.local() as path:
        try:
            for number, frame in enumerate(read_frames(path)):
                while waiting and waiting[0].start_frame == number:
                    clip = waiting.pop(0)
                    begun.append(_begin(clip, spec, start(clip)))
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


def _begin(clip: Clip, spec: Spec, extraction: Extraction) -> _Packing:
    buffer = io.BytesIO()
    # Three channels that do not look like a photograph lose too much in halved colors.
    pixels = "yuv420p" if isinstance(spec, RgbModality | PersonCropModality) else "yuv444p"
    writer = VideoWriter(buffer, clip.fps, crf=spec.crf, gop=spec.gop, preset=PRESET, pixels=pixels)
    return _Packing(clip, extraction, buffer, writer)


def shrunk(frame: Frame, short_side: int) -> Frame:
    """`resized`, but what is no larger stays as it is."""
    return resized(frame, short_side) if min(frame.shape[:2]) > short_side else frame


def resized(frame: NDArray[Number], short_side: int) -> NDArray[Number]:
    """The frame (H, W, ...) with its shorter side brought to `short_side`, sides even.

    H.264 with halved colors needs even sides. Values and type are kept.
    """
    height, width = frame.shape[:2]
    scale = short_side / min(height, width)
    size = (2 * round(width * scale / 2), 2 * round(height * scale / 2))
    return _brought_to(frame, size, smaller=scale < 1)


def squared(frame: NDArray[Number], side: int) -> NDArray[Number]:
    """The frame (H, W, ...) as a square of `side`, its ratio not kept; values and type are."""
    return _brought_to(frame, (side, side), smaller=side < max(frame.shape[:2]))


def _brought_to(frame: NDArray[Number], size: tuple[int, int], *, smaller: bool) -> NDArray[Number]:
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, size, interpolation=how), frame.dtype)
