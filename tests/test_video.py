"""Reading every frame exactly or not at all; writing the same bytes twice."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from benchmark.core.errors import ArchiveError
from benchmark.core.video import frames_at, probe, read_frames, write_video


def _frames(count: int = 30) -> list[np.ndarray]:
    """Frames whose number can be read from their gray level."""
    ramp = np.linspace(0, 20, 64, dtype=np.uint8)[None, :, None]
    return [np.broadcast_to(ramp + 6 * k + 10, (48, 64, 3)).astype(np.uint8) for k in range(count)]


@pytest.fixture
def movie(tmp_path):
    path = tmp_path / "m.mp4"
    write_video(path, _frames(), 25, crf=10, gop=12)
    return path


def test_frames_come_back_in_order_and_complete(movie):
    read = list(read_frames(movie))
    assert len(read) == 30
    assert all(f.shape == (48, 64, 3) and f.dtype == np.uint8 for f in read)
    errors = [np.abs(a.astype(int) - b).mean() for a, b in zip(read, _frames(), strict=True)]
    assert max(errors) < 3


def test_probe_counts_frames(movie):
    assert probe(movie) == (64, 48, 25.0, 30)


def test_the_same_frames_give_the_same_bytes_on_disk_and_in_memory(movie, tmp_path):
    again = tmp_path / "again.mp4"
    assert write_video(again, _frames(), 25, crf=10, gop=12) == 30
    buffer = io.BytesIO()
    write_video(buffer, _frames(), 25, crf=10, gop=12)
    assert again.read_bytes() == movie.read_bytes() == buffer.getvalue()


_ENCODE = """
import hashlib, io, numpy as np
from benchmark.core.video import write_video
rng, buffer = np.random.default_rng(0), io.BytesIO()
still = np.cumsum(rng.normal(0, 3, (90, 160, 3)), 1) + 128
frames = [np.uint8(np.clip(still + rng.normal(k, 4, still.shape), 0, 255)) for k in range(24)]
write_video(buffer, frames, 25, crf=28, gop=12)
print(hashlib.sha256(buffer.getvalue()).hexdigest())
"""


def test_bytes_do_not_depend_on_what_lay_in_memory():
    runs = [
        subprocess.run(
            [sys.executable, "-c", _ENCODE], env=os.environ | {"MALLOC_PERTURB_": dirt},
            capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
        ).stdout
        for dirt in ("0", "85", "170")
    ]  # fmt: skip
    assert len(set(runs)) == 1


def test_every_group_of_pictures_is_closed_and_short(movie):
    with av.open(str(movie)) as container:
        packets = [p for p in container.demux(video=0) if p.size]
    keys = [k for k, packet in enumerate(packets) if packet.is_keyframe]
    assert keys[0] == 0
    assert max(np.diff([*keys, 30])) <= 12
    for k in keys:
        assert all(p.pts >= packets[k].pts for p in packets[k:])


@pytest.fixture
def index_first(movie, tmp_path):
    """The same packets in a file whose index stands before the data, as the web likes it."""
    path = tmp_path / "web.mp4"
    with av.open(str(movie)) as source, av.open(
        str(path), "w", options={"movflags": "+faststart"}
    ) as target:  # fmt: skip
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    return path


@pytest.mark.parametrize("read", [lambda p: list(read_frames(p)), probe])
@pytest.mark.parametrize("lost", [1, 200, 2000])
def test_a_truncated_file_with_its_index_in_front_is_an_error(index_first, read, lost):
    assert probe(index_first).frames == 30
    data = index_first.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    index_first.write_bytes(data[: len(data) - lost])
    with pytest.raises(ArchiveError, match=r"web\.mp4: .*expected .*found"):
        read(index_first)


@pytest.mark.parametrize("read", [lambda p: list(read_frames(p)), probe])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.98])
def test_a_truncated_file_is_an_error_and_not_a_short_video(movie, read, share):
    data = movie.read_bytes()
    movie.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ArchiveError, match=r"m\.mp4: .*expected .*found"):
        read(movie)


def test_damaged_bytes_are_an_error(movie):
    data = bytearray(movie.read_bytes())
    middle = data.index(b"mdat") + 900
    data[middle : middle + 400] = bytes(400)
    movie.write_bytes(bytes(data))
    with pytest.raises(ArchiveError):
        list(read_frames(movie))


def _with(path: Path, codec: str, *, dropped: int = 0) -> Path:
    """30 frames in the container that the name asks for; the camera drops some after the tenth."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k, picture in enumerate(_frames()):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = k + dropped * (k > 10), Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_frames_that_a_camera_dropped_are_not_missed_in_an_avi(tmp_path):
    path = _with(tmp_path / "a.avi", "mpeg4", dropped=3)
    assert probe(path).frames == len(list(read_frames(path))) == 30


@pytest.mark.parametrize("read", [lambda p: list(read_frames(p)), probe])
@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.avi", "a.flv"])
def test_a_cut_file_without_a_count_of_frames_is_an_error(tmp_path, name, read):
    codec = {"a.webm": "libvpx", "a.flv": "flv1"}.get(name, "mpeg4")
    path = _with(tmp_path / name, codec)
    assert probe(path).frames == 30
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.4)])
    with pytest.raises(ArchiveError):
        read(path)


def test_a_playlist_opens_no_other_file_and_a_picture_is_no_video(movie, tmp_path):
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile {movie.name}\n", "utf-8")
    (tmp_path / "live.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{movie.name}\n", "utf-8")
    cv2.imwrite(str(tmp_path / "picture.png"), _frames(1)[0])
    (tmp_path / "picture.png").rename(tmp_path / "picture.mp4")
    for name in ("list.mp4", "live.mp4", "picture.mp4"):
        with pytest.raises(ArchiveError, match=f"{name}: not a readable video"):
            probe(tmp_path / name)


@pytest.mark.parametrize("read", [lambda p: list(read_frames(p)), probe])
def test_a_missing_file_is_named(tmp_path, read):
    with pytest.raises(ArchiveError, match=r"gone\.mp4: no such video"):
        read(tmp_path / "gone.mp4")


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    def broken():
        yield _frames(1)[0]
        raise RuntimeError("camera fell over")

    with pytest.raises(RuntimeError, match="camera"):
        write_video(tmp_path / "x.mp4", broken(), 25, crf=20, gop=12)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("numbers", [[0], [29], [3, 4, 5], [20, 7, 7], range(30), []])
def test_wanted_frames_are_those_with_these_numbers(movie, numbers):
    every = list(read_frames(movie))
    found = list(frames_at(movie, numbers))
    assert [number for number, _ in found] == sorted({*numbers})
    for number, frame in found:
        np.testing.assert_array_equal(frame, every[number])


def test_no_frame_after_the_last_wanted_one_is_decoded(movie, monkeypatch):
    decoded = []

    def counted(path):
        for number, frame in enumerate(read_frames(path)):
            decoded.append(number)
            yield frame

    monkeypatch.setattr("benchmark.core.video.read_frames", counted)
    assert [number for number, _ in frames_at(movie, [4, 2])] == [2, 4]
    assert decoded == [0, 1, 2, 3, 4]


def test_a_wanted_frame_after_the_end_is_an_error(movie):
    frames = frames_at(movie, [29, 31])
    assert next(frames)[0] == 29, "those before the end come all the same"
    with pytest.raises(ArchiveError, match=r"ended too early; expected 32 frames; found 30"):
        next(frames)
