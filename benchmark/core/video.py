"""The only door to PyAV: exact sequential decoding, and deterministic H.264 writing."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

import av
import av.container
import av.error
import av.logging
import numpy as np
from av.codec.context import Flags
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from benchmark.core.errors import ArchiveError
from benchmark.core.files import replacing
from benchmark.core.foreign_file import claimed_size, what_is

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.sidedata.sidedata import SideData

RgbFrame = NDArray[np.uint8]

PRESET = "veryfast"
"""Effort of x264. At one crf, files are as large as those of `medium` and take less than half the
time, for half a decibel: `python tests/bench/encoding.py`."""
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
_STRICT = {"err_detect": "explode"}
"""FFmpeg steps over damage by itself, and the frames in it are missing without a word. Of the
container alone: decoders call the start of a video that was cut out of another one damage, too."""
_TELL_LENGTH = {"flv", "mxf", "ivf", "matroska,webm"}
"""Formats that store seconds or frames; FFmpeg estimates them for others from what is there."""
_TICKS = 90_000
"""Units of a second in which a written video of a varying rate counts time."""


class VideoInfo(NamedTuple):
    """Size, rate and length of a video."""

    width: int
    """Pixels of the picture as a player shows it, turned and mirrored."""
    height: int
    fps: float
    """Mean over the file, by the times of its frames."""
    frames: int
    """Those that a player shows."""


class Timeline(NamedTuple):
    """When each frame of a video is on the screen.

    The times are the file's own time stamps, counted from its first picture. A file without time
    stamps, or whose time stamps go back, has the rate of its header.
    """

    edges: NDArray[np.float64]
    """Seconds at which each frame appears, and at which the last one ends: (frames + 1,)."""

    def nearest(self, seconds: float) -> int:
        """Return the edge closest to a time: the number of a frame, or that behind the last one."""
        return int(self.nearest_each(np.array([seconds]))[0])

    def nearest_each(self, seconds: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the edge closest to each of many times."""
        middles = (self.edges[1:] + self.edges[:-1]) / 2
        # Half a frame is always rounded down: rounding errors decide nothing.
        return np.searchsorted(middles, seconds - 1e-6)

    def part(self, start: int, end: int) -> Timeline:
        """Return the times of the frames from `start` to before `end`."""
        return Timeline(self.edges[start : end + 1])

    @property
    def fps(self) -> float:
        """Mean frames per second."""
        return (len(self.edges) - 1) / float(self.edges[-1] - self.edges[0])

    def unless_steady(self) -> Timeline | None:
        """Return these times; None where all frames are as long, up to 2 ms of rounding."""
        gaps = np.diff(self.edges)
        return self if np.ptp(gaps) > 0.002 else None


def read_frames(path: Path) -> Iterator[RgbFrame]:
    """Decode all frames in presentation order, upright: uint8 (H, W, 3) RGB.

    Frame k is the k-th picture that a player shows, whatever its time: a variable rate skips and
    repeats nothing. The rotation or mirroring that the file asks for is applied, as players do.

    Raises:
        ArchiveError: The file is missing, is no video, is damaged, ends early, or changes its size
            on the way.
    """
    # One that is kept, of one thread: of small pictures, its start takes longer than its work.
    colors = VideoReformatter()
    for frame in _decoded(path):
        rgb = colors.reformat(frame, format="rgb24", threads=1).to_ndarray()
        yield _upright(rgb.astype(np.uint8, copy=False), frame)


def _decoded(path: Path) -> Iterator[av.VideoFrame]:
    count, size = 0, (0, 0)
    with _open(path) as container:
        stream = _video_stream(container, path)
        try:
            for frame in container.decode(stream):
                if frame.is_corrupt:
                    raise ArchiveError(
                        path, f"frame {count} is damaged", expected="a clean frame",
                        found="a decoding error", do=_AGAIN,
                    )  # fmt: skip
                size = _size(frame) if count == 0 else size
                if _size(frame) != size:
                    raise ArchiveError(
                        path, f"frame {count} has another size", expected="{}x{}".format(*size),
                        found="{}x{}".format(*_size(frame)), do="Cut the video there",
                    )  # fmt: skip
                yield frame
                count += 1
        except av.error.FFmpegError as error:
            raise ArchiveError(
                path, f"decoding fails after {count} frames", expected="clean frames to the end",
                found=str(error.strerror), do=_AGAIN,
            ) from error  # fmt: skip
    if count == 0:
        raise ArchiveError(path, "no frame in it can be decoded", do=_AGAIN)


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
        path, "ended too early", expected=f"{last + 1} frames", found=f"{number + 1}"
    )


def _orientation(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Return whether to exchange x and y, then mirror left-right, then upside down."""
    matrix: SideData | None = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False, False, False
    # x' = a x + c y, y' = b x + d y; of a turn by another angle, the nearest right angle.
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    return (True, c < 0, b < 0) if abs(b) > abs(a) else (False, a < 0, d < 0)


def _upright(picture: RgbFrame, frame: av.VideoFrame) -> RgbFrame:
    is_turned, left_right, up_down = _orientation(frame)
    if is_turned:
        picture = picture.transpose(1, 0, 2)
    return np.ascontiguousarray(picture[:: -1 if up_down else 1, :: -1 if left_right else 1])


def _size(frame: av.VideoFrame) -> tuple[int, int]:
    is_turned, _, _ = _orientation(frame)
    return (frame.height, frame.width) if is_turned else (frame.width, frame.height)


def probe(path: Path) -> VideoInfo:
    """Read the size, mean rate and number of frames of a video; it decodes every frame.

    Raises:
        ArchiveError: As `read_frames`: whoever reads the video afterwards meets no other fault.
    """
    return _examined(path)[0]


def timeline(path: Path) -> Timeline:
    """Read when each frame of a video is on the screen.

    Raises:
        ArchiveError: As `read_frames`.
    """
    return _examined(path)[1]


_last: dict[object, tuple[VideoInfo, Timeline]] = {}


def _examined(path: Path) -> tuple[VideoInfo, Timeline]:
    """Decode a video once; the answer of the last one is kept."""
    # The packets do not tell how many frames come out: some hold no picture of their own (VP8 and
    # VP9), some hold half of one, and some refer to pictures that a cut removed.
    state = path.stat() if path.is_file() else None
    key = state and (path.resolve(), state.st_size, state.st_mtime_ns)
    if key not in _last:
        # Arrays, which are compact: a day has 2 million frames.
        stamps, lengths, size = array("d"), array("d"), (0, 0)
        for frame in _decoded(path):
            size = size if any(size) else _size(frame)
            stamps.append(np.nan if frame.pts is None else frame.pts)
            lengths.append(frame.duration or 0)
        _last.clear()
        _last[key] = _answer(path, size, np.array(stamps), np.array(lengths))
    return _last[key]


def _answer(
    path: Path, size: tuple[int, int], stamps: NDArray[np.float64], lengths: NDArray[np.float64]
) -> tuple[VideoInfo, Timeline]:
    """Make the answer of what was decoded.

    Args:
        path: The video.
        size: Width and height.
        stamps: When each frame appears, in ticks, (N,); NaN where the file does not say.
        lengths: How long each is shown, in ticks, (N,); 0 where the file does not say.
    """
    with _open(path) as container:
        stream = _video_stream(container, path)
        header = float(stream.average_rate or stream.guessed_rate or 0)
        tick = float(stream.time_base or 0)
        tells = container.format.name in _TELL_LENGTH and len(container.streams) == 1
        wanted = (container.duration or 0) / av.time_base if tells else 0
    times, lengths = stamps * tick, lengths * tick
    gaps = np.diff(times)
    if np.isnan(stamps).any() or (gaps < 0).any() or not (gaps.any() or header):
        if not header:
            raise ArchiveError(path, "no frame rate", expected="a rate", found="none", do=_AGAIN)
        edges = np.arange(len(stamps) + 1) / header
        return VideoInfo(*size, header, len(stamps)), Timeline(edges)
    usual = float(np.median(gaps[gaps > 0])) if gaps.any() else 1 / header
    # Matroska takes durations from the header, which may be wrong as they show; some writers give
    # the last frame one tick, as if it were not seen.
    are_true = np.isclose(np.median(lengths), usual, rtol=0.1, atol=2 * tick)
    last = float(lengths[-1]) if are_true and lengths[-1] > usual / 2 else usual
    if times[-1] + last < wanted - _SLACK:
        raise ArchiveError(
            path, "the video ends early", expected=f"{wanted:.2f} s",
            found=f"{times[-1] + last:.2f} s", do=_AGAIN,
        )  # fmt: skip
    edges = np.append(times, times[-1] + last) - times[0]
    rate = Timeline(edges).fps
    # A header of 30000/1001 is exact, and time stamps are rounded; one of 1000 is wrong.
    if header and abs(len(stamps) / header - len(stamps) / rate) <= 2 * tick:
        rate = header
    return VideoInfo(*size, rate, len(stamps)), Timeline(edges)


def write_video(
    target: Path | BinaryIO, frames: Iterable[RgbFrame], fps: float | Timeline, *,
    crf: int, gop: int, preset: str = PRESET,
) -> int:  # fmt: skip
    """Write RGB frames as H.264 yuv420p mp4 and return their number; equal frames, equal bytes.

    Args:
        target: A path, which never holds half a video, or an open file.
        frames: uint8 (H, W, 3) each, H and W even.
        fps: Frames per second, or when each frame appears.
        crf: Quality of x264, 0 (lossless) to 51.
        gop: Frames per closed group of pictures, at most: decoding can begin at each group.
        preset: Effort of x264.
    """
    if isinstance(target, Path):
        with replacing(target) as beside, beside.open("wb") as file:
            return write_video(file, frames, fps, crf=crf, gop=gop, preset=preset)
    rate, times = (fps.fps, fps.unless_steady()) if isinstance(fps, Timeline) else (fps, None)
    with VideoWriter(target, rate, crf=crf, gop=gop, preset=preset, times=times) as writer:
        for rgb in frames:
            writer.add(rgb)
    return writer.frames


class VideoWriter:
    """Writes what `write_video` writes, frame by frame: a whole clip need not fit into memory.

    `pixels` is the layout of the stored colors; yuv420p halves their resolution. `times` say when
    each frame appears, where that is not one frame after the other at `fps`.
    """

    def __init__(
        self, file: BinaryIO, fps: float, *, crf: int, gop: int, preset: str = PRESET,
        pixels: str = "yuv420p", times: Timeline | None = None,
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
        self._times = times and times.edges - times.edges[0]
        if self._times is not None:
            self._stream.codec_context.time_base = Fraction(1, _TICKS)
            self._stream.codec_context.flags |= Flags.frame_duration

    def __enter__(self) -> Self:
        return self

    def add(self, rgb: RgbFrame) -> None:
        """Append a frame: uint8 (H, W, 3), H and W even and equal to those of the first frame."""
        if self.frames == 0:
            self._stream.height, self._stream.width = rgb.shape[:2]
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
        if self._times is not None:
            begin, end = (round(s * _TICKS) for s in self._times[self.frames : self.frames + 2])
            frame.pts, frame.duration, frame.time_base = begin, end - begin, Fraction(1, _TICKS)
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
        raise ArchiveError(path, "no such video", expected="a video file", found="nothing")
    # First, since it costs little: a cut file is found before its first frame.
    if (claimed := claimed_size(path) or 0) > (size := path.stat().st_size):
        raise ArchiveError(
            path, "the file is cut: the video ends early", found=f"{size:,}",
            expected=f"at least {claimed:,} bytes", do=_AGAIN,
        )  # fmt: skip
    try:
        # With the protocol, since FFmpeg would take what stands before a colon for one.
        options = {"format_whitelist": _FORMATS, **_STRICT}
        return av.open(f"file:{path}", options=options)
    except (av.error.FFmpegError, UnicodeDecodeError) as error:  # a name or a tag may be damaged
        reason = getattr(error, "strerror", str(error))
        raise ArchiveError(
            path, "not a readable video", expected="a video file", found=what_is(path, reason)
        ) from error


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    stream = container.streams.best("video")  # not the cover picture of a music player
    # A file cut within its index may still name a stream, but one without a decoder.
    if not isinstance(stream, VideoStream) or stream.codec_context is None:
        kinds = ", ".join(dict.fromkeys(one.type for one in container.streams)) or "nothing"
        raise ArchiveError(
            path, "no readable picture in it", expected="a video stream",
            found=f"{kinds} ({container.format.long_name})",
        )  # fmt: skip
    stream.codec_context.thread_count = 1
    return stream
