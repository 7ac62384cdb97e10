"""The front door to PyAV: exact sequential decoding, and deterministic H.264 writing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import av
import av.container
import av.error
import av.logging
import numpy as np
from numpy.typing import NDArray

from benchmark.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from av.container import InputContainer
    from av.video.stream import VideoStream

RgbFrame = NDArray[np.uint8]

# mbtree reads uninitialised memory in x264's AVX-512 code (PyAV 18.1): other bytes in each run.
_X264 = "open-gop=0:threads=1:lookahead-threads=1:mbtree=0"
_AGAIN = "Fetch or make the file again"


class VideoInfo(NamedTuple):
    """What a video file holds."""

    width: int
    height: int
    fps: float
    frames: int
    """Counted packets, not the header's claim."""


def read_frames(path: Path) -> Iterator[RgbFrame]:
    """All frames in presentation order: uint8 (H, W, 3) RGB, nothing else applied.

    Raises:
        ArchiveError: The file is missing, damaged, or ends before its declared last frame.
    """
    decoded = 0
    with _open(path) as container:
        stream = _video_stream(container, path)
        declared = stream.frames
        try:
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise ArchiveError(
                        path, f"frame {decoded} is damaged", expected="a clean frame",
                        found="a decoding error", do=_AGAIN,
                    )  # fmt: skip
                yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
                decoded += 1
        except av.error.FFmpegError as error:
            raise ArchiveError(
                path, f"decoding fails after {decoded} frames", expected=f"{declared} frames",
                found=str(error.strerror), do=_AGAIN,
            ) from error  # fmt: skip
    _check_count(path, decoded, declared)


def probe(path: Path) -> VideoInfo:
    """Size, rate and counted frames of a video, without decoding it.

    Raises:
        ArchiveError: The file is missing, damaged, or holds fewer frames than declared.
    """
    with _open(path) as container:
        stream = _video_stream(container, path)
        try:
            whole = [not packet.is_corrupt for packet in container.demux(stream) if packet.size]
            frames = sum(whole)
        except av.error.FFmpegError as error:
            raise ArchiveError(
                path, "the packets cannot be read", expected=f"{stream.frames} frames",
                found=str(error.strerror), do=_AGAIN,
            ) from error  # fmt: skip
        _check_count(path, frames, stream.frames)
        rate = stream.average_rate
        if rate is None:
            raise ArchiveError(path, "no frame rate", expected="a rate", found="none", do=_AGAIN)
        return VideoInfo(stream.width, stream.height, float(rate), frames)


def write_video(
    target: Path | BinaryIO,
    frames: Iterable[RgbFrame],
    fps: int,
    *,
    crf: int,
    gop: int,
    preset: str = "veryfast",
) -> int:
    """Write RGB frames as H.264 yuv420p mp4 with closed GOPs of at most `gop` frames.

    The same frames give the same bytes. A path is written beside and renamed, so that it never
    holds half a video. Returns the number of frames.
    """
    if not isinstance(target, Path):
        return _encode(target, frames, fps, {"crf": str(crf), "g": str(gop), "preset": preset})
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            count = _encode(file, frames, fps, {"crf": str(crf), "g": str(gop), "preset": preset})
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    return count


def _encode(file: BinaryIO, frames: Iterable[RgbFrame], fps: int, options: dict[str, str]) -> int:
    options |= {"x264-params": _X264}
    count = 0
    with av.open(file, "w", format="mp4") as container:
        container.flags |= av.container.Flags.bitexact.value
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for rgb in frames:
            if count == 0:
                stream.height, stream.width = rgb.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
            count += 1
        if count == 0:
            raise ValueError("a video needs at least one frame")
        container.mux(stream.encode())
    return count


def _open(path: Path) -> InputContainer:
    if not path.is_file():
        raise ArchiveError(
            path, "no such video", expected="a video file", found="nothing", do=_AGAIN
        )
    try:
        return av.open(str(path))
    except av.error.FFmpegError as error:
        raise ArchiveError(
            path, "not a readable video", expected="a video file", found=str(error.strerror),
            do=_AGAIN,
        ) from error  # fmt: skip


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    # A file cut within its index may still name a stream, but one without a decoder.
    if not container.streams.video or container.streams.video[0].codec_context is None:
        raise ArchiveError(
            path, "no readable picture in it", expected="a video stream", found="none", do=_AGAIN
        )
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    return stream


def _check_count(path: Path, counted: int, declared: int) -> None:
    if counted == 0 or (declared and counted < declared):
        raise ArchiveError(
            path, "the video ends early", expected=f"{declared or 'some'} frames",
            found=f"{counted}", do=_AGAIN,
        )  # fmt: skip
