"""The only door to PyAV: exact sequential decoding, and deterministic H.264 writing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

import av
import av.container
import av.error
import av.logging
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from benchmark.core.errors import ArchiveError
from benchmark.core.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from av.container import InputContainer

RgbFrame = NDArray[np.uint8]

# mbtree reads uninitialized memory in x264's AVX-512 code (PyAV 18.1): other bytes in each run.
# Several threads would divide the work, and so the bits, by the number of cores.
_X264 = "open-gop=0:threads=1:lookahead-threads=1:mbtree=0"
_AGAIN = "Fetch or make the file again"
_SLACK = 0.5
"""Seconds by which a container may claim to be longer than its last frame."""
# No playlists, which open other files, and no pictures, which are no video.
_FORMATS = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,gif,apng,h264,hevc,m4v,mxf,nut,ogg,ivf"
)


class VideoInfo(NamedTuple):
    """What a video file says of itself."""

    width: int
    """Pixels, after the rotation that the file asks for."""
    height: int
    fps: float
    """Mean over the file where the rate varies."""
    frames: int
    """Counted packets, not the claim of the header."""


def read_frames(path: Path) -> Iterator[RgbFrame]:
    """Decode all frames in presentation order, upright: uint8 (H, W, 3) RGB.

    Frame k is the k-th picture that a player shows, whatever its time: a variable rate skips and
    repeats nothing. A rotation that the file asks for is applied, as OpenCV and players do.

    Raises:
        ArchiveError: The file is missing, is damaged, ends before its declared last frame, or
            changes its size on the way.
    """
    decoded = 0
    # Counting the packets first costs little, and it finds a cut file before the first frame.
    with _open(path) as container:
        stream = _video_stream(container, path)
        declared = _shown(container, stream, path)
    with _open(path) as container:
        stream = _video_stream(container, path)
        first: tuple[int, ...] | None = None
        try:
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise ArchiveError(
                        path, f"frame {decoded} is damaged", expected="a clean frame",
                        found="a decoding error", do=_AGAIN,
                    )  # fmt: skip
                picture = _upright(frame)
                first = first or picture.shape
                if picture.shape != first:
                    raise ArchiveError(
                        path, f"frame {decoded} has another size",
                        expected=f"{first[1]}x{first[0]}",
                        found=f"{picture.shape[1]}x{picture.shape[0]}", do=_AGAIN,
                    )  # fmt: skip
                yield picture
                decoded += 1
        except av.error.FFmpegError as error:
            raise ArchiveError(
                path, f"decoding fails after {decoded} frames", expected=f"{declared} frames",
                found=str(error.strerror), do=_AGAIN,
            ) from error  # fmt: skip
    _check_count(path, decoded, declared)


def frames_at(path: Path, numbers: Iterable[int]) -> Iterator[tuple[int, RgbFrame]]:
    """Decode the frames with these numbers and none after the last of them.

    Yields (number, frame) in ascending order, each number once.

    Raises:
        ArchiveError: The file is missing or damaged, or it has no frame of the last number.
    """
    wanted = frozenset(numbers)
    if not wanted:
        return
    last, number = max(wanted), -1
    # From the start: not every container can seek to an exact frame.
    for number, frame in enumerate(read_frames(path)):
        if number in wanted:
            yield number, frame
        if number == last:
            return
    raise ArchiveError(
        path, "ended too early", expected=f"{last + 1} frames", found=f"{number + 1}", do=_AGAIN
    )


def _upright(frame: av.VideoFrame) -> RgbFrame:
    picture = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture


def probe(path: Path) -> VideoInfo:
    """Read the upright size, mean rate and counted frames of a video; it decodes one frame.

    Raises:
        ArchiveError: The file is missing, is damaged, or holds fewer frames than declared.
    """
    with _open(path) as container:
        stream = _video_stream(container, path)
        frames = _shown(container, stream, path)
        rate = stream.average_rate
        if not rate:
            raise ArchiveError(path, "no frame rate", expected="a rate", found="none", do=_AGAIN)
    with _open(path) as container:
        stream = _video_stream(container, path)
        try:
            first = next(container.decode(stream), None)
        except av.error.FFmpegError as error:
            raise ArchiveError(
                path, "the first frame cannot be decoded", expected="a picture",
                found=str(error.strerror), do=_AGAIN,
            ) from error  # fmt: skip
        if first is None:
            raise ArchiveError(path, "no frame", expected=f"{frames}", found="none", do=_AGAIN)
        size = (first.width, first.height)
        width, height = size[::-1] if round(first.rotation / 90) % 2 else size
    return VideoInfo(width, height, float(rate), frames)


def _shown(container: InputContainer, stream: VideoStream, path: Path) -> int:
    """Count the frames to show by their packets; fewer than declared is an error."""
    packets, hidden, end = 0, 0, 0.0
    try:
        for packet in container.demux(stream):
            if packet.size and not packet.is_corrupt:
                packets += 1
                hidden += packet.is_discard  # an edit list cuts it away; no player shows it
                shown = packet.dts if packet.pts is None else packet.pts
                ticks = (shown or 0) + (packet.duration or 0)
                end = max(end, float(ticks * (stream.time_base or 0)))
    except av.error.FFmpegError as error:
        raise ArchiveError(
            path, "the packets cannot be read", expected=f"{stream.frames} frames",
            found=str(error.strerror), do=_AGAIN,
        ) from error  # fmt: skip
    # The header of an AVI counts the frames that a camera dropped as well.
    declared = 0 if container.format.name == "avi" else stream.frames
    _check_count(path, packets, declared)
    if not declared:
        _check_end(path, container, end)
    return packets - hidden


def _check_end(path: Path, container: InputContainer, end: float) -> None:
    # Matroska and others count no frames but tell their length; a transport stream tells neither.
    # Beside other streams, the length may be that of the sound.
    if container.duration is None or len(container.streams) != 1:
        return
    wanted = (container.duration + max(0, container.start_time or 0)) / av.time_base
    if end < wanted - _SLACK:
        raise ArchiveError(
            path, "the video ends early", expected=f"{wanted:.2f} s", found=f"{end:.2f} s",
            do=_AGAIN,
        )  # fmt: skip


def write_video(
    target: Path | BinaryIO,
    frames: Iterable[RgbFrame],
    fps: float,
    *,
    crf: int,
    gop: int,
    preset: str = "veryfast",
) -> int:
    """Write RGB frames as H.264 yuv420p mp4 and return their number; equal frames, equal bytes.

    Args:
        target: A path, which never holds half a video, or an open file.
        frames: uint8 (H, W, 3) each, H and W even.
        fps: Frames per second.
        crf: Quality of x264, 0 (lossless) to 51.
        gop: Frames per closed group of pictures, at most: decoding can begin at each group.
        preset: Effort of x264.
    """
    if isinstance(target, Path):
        with replacing(target) as beside, beside.open("wb") as file:
            return write_video(file, frames, fps, crf=crf, gop=gop, preset=preset)
    with VideoWriter(target, fps, crf=crf, gop=gop, preset=preset) as writer:
        for rgb in frames:
            writer.add(rgb)
    return writer.frames


class VideoWriter:
    """Writes what `write_video` writes, frame by frame: a whole clip need not fit into memory.

    Args:
        file: An open file.
        fps: Frames per second.
        crf: Quality of x264, 0 (lossless) to 51.
        gop: Frames per closed group of pictures, at most.
        preset: Effort of x264.
        pixels: Layout of the stored colors; yuv420p halves their resolution.
    """

    def __init__(
        self, file: BinaryIO, fps: float, *, crf: int, gop: int, preset: str,
        pixels: str = "yuv420p",
    ) -> None:  # fmt: skip
        self.frames = 0
        self._open = True
        self._container = av.open(file, "w", format="mp4")
        self._container.flags |= av.container.Flags.bitexact.value
        options = {"crf": str(crf), "g": str(gop), "preset": preset, "x264-params": _X264}
        rate = Fraction(fps).limit_denominator(1001)
        self._stream = self._container.add_stream("libx264", rate=rate, options=options)
        self._stream.pix_fmt = pixels
        self._stream.thread_count = 1

    def __enter__(self) -> Self:
        """Enter with a writer that is ready for `add`."""
        return self

    def add(self, rgb: RgbFrame) -> None:
        """Append a frame: uint8 (H, W, 3), H and W even and equal to those of the first frame."""
        if self.frames == 0:
            self._stream.height, self._stream.width = rgb.shape[:2]
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def close(self) -> None:
        """Write the frames that the encoder still holds; a second call does nothing."""
        if self._open:
            self._open = False
            if self.frames:
                self._container.mux(self._stream.encode())
            self._container.close()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        """Close the file.

        Raises:
            ValueError: The caller added no frame.
        """
        self.close()
        if kind is None and not self.frames:
            raise ValueError("a video needs at least one frame")


def _open(path: Path) -> InputContainer:
    if not path.is_file():
        raise ArchiveError(
            path, "no such video", expected="a video file", found="nothing", do=_AGAIN
        )
    try:
        return av.open(str(path), options={"format_whitelist": _FORMATS})
    except av.error.FFmpegError as error:
        raise ArchiveError(
            path, "not a readable video", expected="a video file", found=str(error.strerror),
            do=_AGAIN,
        ) from error  # fmt: skip


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    stream = container.streams.best("video")  # not the cover picture of a music player
    # A file cut within its index may still name a stream, but one without a decoder.
    if not isinstance(stream, VideoStream) or stream.codec_context is None:
        raise ArchiveError(
            path, "no readable picture in it", expected="a video stream", found="none", do=_AGAIN
        )
    stream.codec_context.thread_count = 1
    return stream


def _check_count(path: Path, counted: int, declared: int) -> None:
    if counted == 0 or (declared and counted < declared):
        raise ArchiveError(
            path, "the video ends early", expected=f"{declared or 'some'} frames",
            found=f"{counted}", do=_AGAIN,
        )  # fmt: skip
