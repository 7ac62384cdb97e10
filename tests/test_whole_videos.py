"""Videos of other programs: whole ones are read to the end, cut ones are named, all upright."""

from __future__ import annotations

import itertools
import zipfile
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from benchmark.core.errors import ArchiveError
from benchmark.core.foreign_file import claimed_size, what_is
from benchmark.core.video import probe, read_frames, timeline, write_video

FRAMES, RATE, SIZE = 40, 25, (48, 64)
CONTAINERS = {
    "a.mkv": ("libx264", "aac"), "a.webm": ("libvpx", "libopus"), "a.flv": ("flv1", "aac"),
    "b.flv": ("libx264", "aac"), "a.avi": ("mpeg4", "mp2"), "a.wmv": ("wmv2", "mp2"),
    "a.mp4": ("libx264", "aac"), "web.mp4": ("libx264", "aac"), "parts.mp4": ("libx264", "aac"),
    "a.mov": ("mpeg4", "aac"), "a.ts": ("libx264", "aac"), "a.mpg": ("mpeg2video", "mp2"),
    "a.nut": ("mpeg4", "aac"),
}  # fmt: skip
CANNOT_TELL = {"a.ts", "a.mpg", "a.nut"}
MOVFLAGS = {"web.mp4": "faststart", "parts.mp4": "frag_keyframe+empty_moov"}


@cache
def picture(number: int) -> np.ndarray:
    """Noise, so that the frames take bytes; brighter to the right and from frame to frame."""
    rng = np.random.default_rng(number)
    ramp = np.linspace(0, 60, SIZE[1])[None, :, None] + 3 * number
    return np.clip(ramp + rng.normal(20, 12, (*SIZE, 3)), 0, 255).astype(np.uint8)


def film(
    path: Path, codec: str, sound: str = "", *, seconds: float = 0.0, start: float = 0.0,
    options: dict[str, str] | None = None,
) -> Path:  # fmt: skip
    """Write 40 frames at 25 per second, with `seconds` of sound beside them."""
    movflags = {"movflags": MOVFLAGS[path.name]} if path.name in MOVFLAGS else {}
    with av.open(str(path), "w", options=movflags) as container:
        stream = container.add_stream(codec, rate=RATE, options=options or {"g": "10"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        voice = container.add_stream(sound, rate=48000) if sound else None
        spoken = 0

        def speak(until: float) -> None:
            nonlocal spoken
            while voice and spoken < min(until, seconds) * 48000:
                count = voice.codec_context.frame_size or 1024
                shape = (2, count) if voice.format.is_planar else (1, 2 * count)
                wave = np.random.default_rng(spoken).normal(0, 3000, shape)
                integer = "s16" in voice.format.name
                wave = wave.astype(np.int16) if integer else (wave / 30000).astype(np.float32)
                frame = av.AudioFrame.from_ndarray(wave, voice.format.name, "stereo")
                frame.sample_rate, frame.pts, frame.time_base = 48000, spoken, Fraction(1, 48000)
                container.mux(voice.encode(frame))
                spoken += count

        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = number + round(start * RATE), Fraction(1, RATE)
            container.mux(stream.encode(frame))
            speak((number + 1) / RATE)
        container.mux(stream.encode())
        speak(seconds)
        if voice:
            container.mux(voice.encode())
    return path


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("seconds", [0.0, 0.8, 1.6, 3.2])
def test_whole_files_pass_and_cut_ones_do_not(tmp_path: Path, name: str, seconds: float) -> None:
    codec, sound = CONTAINERS[name]
    path = film(tmp_path / name, codec, sound if seconds else "", seconds=seconds)
    assert probe(path).frames == len(list(read_frames(path))) == FRAMES
    assert probe(path).fps == pytest.approx(RATE)
    data = path.read_bytes()
    if name in CANNOT_TELL:
        return
    # In a short file, the last of these lacks less than a tenth of a second.
    for share in (0.1, 0.35, 0.6, 0.85, 0.95):
        path.write_bytes(data[: int(len(data) * share)])
        for read in (probe, lambda p: next(read_frames(p))):
            with pytest.raises(ArchiveError, match=name):
                read(path)


@pytest.mark.parametrize("name", ["a.webm", "a.mkv"])
def test_what_is_damaged_in_the_middle_does_not_end_there_in_silence(
    tmp_path: Path, name: str
) -> None:
    """FFmpeg gives up at the damage as if the file ended there; the file says how long it is."""
    path = film(tmp_path / name, CONTAINERS[name][0])
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third:-200] = bytes(len(data) - 200 - third)
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=name):
        probe(path)


def test_a_recording_whose_length_was_never_written_passes(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", "libx264")
    data = bytearray(path.read_bytes())
    place = data.index(b"\x18S\x80g") + 4
    data[place : place + 8] = b"\x01" + b"\xff" * 7
    path.write_bytes(bytes(data))
    assert claimed_size(path) is None
    assert probe(path).frames == FRAMES
    avi = film(tmp_path / "a.avi", "mpeg4")
    data = bytearray(avi.read_bytes())
    data[4:8] = bytes(4)
    avi.write_bytes(bytes(data))
    assert probe(avi).frames == FRAMES


@pytest.mark.parametrize("name", ["web.mp4", "a.mp4", "a.avi", "a.mkv"])
@pytest.mark.parametrize("more", [b"\0", b"\0" * 3000, b"TAG tail of a tagger" * 9])
def test_what_other_programs_append_is_no_cut(tmp_path: Path, name: str, more: bytes) -> None:
    path = film(tmp_path / name, CONTAINERS[name][0])
    path.write_bytes(path.read_bytes() + more)
    assert probe(path).frames == FRAMES


def cut_by_copy(source: Path, target: Path) -> None:
    """Copy the packets from the third key frame on, as 'ffmpeg -ss -c copy' does."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        stream = part.add_stream_from_template(whole.streams.video[0])
        keys = 0
        for packet in whole.demux(video=0):
            keys += packet.is_keyframe and packet.size > 0
            if keys > 2 and packet.size:
                packet.stream = stream
                part.mux(packet)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("name", ["part.mkv", "part.mp4"])
def test_pictures_that_a_cut_took_away_are_not_missed(
    tmp_path: Path, codec: str, name: str
) -> None:
    params = "open-gop=1:keyint=8:min-keyint=8:bframes=3:b-adapt=0:scenecut=0"
    quiet = ":log-level=none" if codec == "libx265" else ""
    key = codec.removeprefix("lib") + "-params"
    source = film(tmp_path / "whole.mp4", codec, options={key: params + quiet})
    cut_by_copy(source, tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        packets = sum(packet.size > 0 for packet in container.demux(video=0))
    assert probe(tmp_path / name).frames == len(list(read_frames(tmp_path / name))) <= packets


def test_packets_without_a_picture_of_their_own_are_not_counted(tmp_path: Path) -> None:
    source = film(tmp_path / "plain.webm", "libvpx")
    path, packets = tmp_path / "a.webm", 0
    with av.open(str(source)) as whole, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(whole.streams.video[0])
        for packet in whole.demux(video=0):
            if packet.is_keyframe and packet.size:
                # A VP8 frame that is decoded but not shown, as the encoder's alternate references.
                hidden = av.Packet(bytes([bytes(packet)[0] & ~0x10]) + bytes(packet)[1:])
                hidden.pts = hidden.dts = packet.pts
                hidden.time_base, hidden.stream, hidden.is_keyframe = packet.time_base, stream, True
                target.mux(hidden)
                packets += 1
            if packet.size:
                packet.stream = stream
                target.mux(packet)
                packets += 1
    assert packets > FRAMES
    assert probe(path).frames == len(list(read_frames(path))) == FRAMES


def test_two_fields_are_one_picture(tmp_path: Path) -> None:
    path = film(tmp_path / "a.264", "libx264", options={"x264-params": "tff=1"})
    assert probe(path)[2:] == (25.0, FRAMES)


@pytest.mark.parametrize("name", ["a.webm", "a.mkv", "a.ts", "a.flv"])
def test_a_video_that_starts_late_is_whole(tmp_path: Path, name: str) -> None:
    path = film(tmp_path / name, CONTAINERS[name][0], start=3.0)
    assert probe(path).frames == FRAMES
    assert timeline(path).edges[[0, -1]] == pytest.approx([0, FRAMES / RATE], abs=0.01)


ORIENTATIONS = [
    (a, b, c, d) for a, b, c, d in itertools.product((-1, 0, 1), repeat=4)
    if abs(a * d - b * c) == 1 and abs(a) + abs(b) == 1 and abs(c) + abs(d) == 1
]  # fmt: skip


@pytest.mark.parametrize("turn", ORIENTATIONS)
def test_every_turn_and_mirror_that_a_file_asks_for_is_applied(
    tmp_path: Path, turn: tuple[int, int, int, int]
) -> None:
    corners = np.zeros((48, 64, 3), np.uint8)
    corners[:24, :32], corners[:24, 32:], corners[24:, :32] = 250, 170, 90
    path = tmp_path / "a.mp4"
    write_video(path, [corners] * 3, 25, crf=5, gop=3)
    a, b, c, d = turn

    def matrix(a: int, b: int, c: int, d: int) -> bytes:
        values = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
        return b"".join(value.to_bytes(4, "big", signed=True) for value in values)

    data = path.read_bytes()
    place = data.index(matrix(1, 0, 0, 1), data.index(b"tkhd"))
    path.write_bytes(data[:place] + matrix(*turn) + data[place + 36 :])
    shown = next(read_frames(path))
    info = probe(path)
    assert shown.shape == (info.height, info.width, 3) == ((64, 48, 3) if b else (48, 64, 3))
    # Each quarter, seen from the middle, goes where the matrix sends it.
    for x, y in itertools.product((-1, 1), repeat=2):
        to_x, to_y = a * x + c * y, b * x + d * y
        before = corners[24 + 12 * y, 32 + 16 * x].mean()
        after = shown[info.height // 2 + 10 * to_y, info.width // 2 + 10 * to_x].mean()
        assert after == pytest.approx(before, abs=12)


@pytest.mark.parametrize(
    "name", ["12:30.mp4", "%03d.mp4", "-i.mp4", "pipe:0", "concat:a|b.mp4", "http:x.mp4", "é\udcff"]
)
def test_a_relative_name_is_the_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_video(tmp_path / "plain.mp4", [picture(0)] * 3, 25, crf=20, gop=3)
    (tmp_path / "plain.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert probe(Path(name)).frames == 3


FOREIGN = {
    "page.mp4": (b"\xef\xbb\xbf\n <!DOCTYPE html><title>Sign in</title>", "an HTML page"),
    "pointer.mp4": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
        "a Git LFS pointer of 63 bytes",
    ),
    "empty.mp4": (b"", "an empty file"),
    "zeros.mp4": (bytes(5000), "zero bytes"),
    "paper.mp4": (b"%PDF-1.7 ...", "a PDF"),
    "picture.mp4": (b"\x89PNG\r\n\x1a\n" + bytes(50), "a PNG picture"),
    "song.mp4": (b"ID3\x03" + bytes(500), r"sound \(mp3\)"),
    "zip.mp4": (b"PK\x03\x04" + bytes(30), "a zip that is cut or damaged"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_video_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    content, words = FOREIGN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ArchiveError, match=rf"{name}: not a readable video; .*found {words}") as no:
        probe(tmp_path / name)
    assert "again" not in str(no.value)


def test_a_file_of_sound_alone_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        voice = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate = 48000
        container.mux(voice.encode(frame))
        container.mux(voice.encode())
    with pytest.raises(ArchiveError, match="no readable picture in it; .*found audio"):
        probe(path)


def test_a_zip_is_called_by_what_is_in_it(tmp_path: Path) -> None:
    for member, words in (
        ("xl/workbook.xml", "an Excel sheet"), ("model/data.pkl", "a PyTorch file"),
        ("a.npy", "an archive of NumPy arrays (npz)"),
        ("b.txt", "a zip of 1 files, the first b.txt"),
    ):  # fmt: skip
        with zipfile.ZipFile(tmp_path / "z", "w") as archive:
            archive.writestr(member, "x")
        assert what_is(tmp_path / "z") == words
        assert what_is(tmp_path / "z", "reason") == f"{words} (reason)"
