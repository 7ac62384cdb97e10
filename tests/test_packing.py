"""Packing raw videos of every kind: exact frames, damage named, work kept when it is stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.core.errors import ManyFaults, MismatchError
from benchmark.core.video import probe, read_frames
from benchmark.data.manifest import ManifestRow, write_manifest
from benchmark.data.readers import PackedVideos
from benchmark.editions.edition import read_edition
from benchmark.modalities import shards
from benchmark.modalities.packing import PackingJob
from benchmark.modalities.rgb import RgbModality
from benchmark.tracking import provenance
from conftest import REPO, a_clip
from tiny_archive import write_archive

MIMIC = read_edition("mimic")
OWN = MIMIC.model_copy(update={"dataset": "folder", "name": "own"})
HEIGHT, WIDTH, FRAMES = 48, 80, 40
BIT = 16


def numbered(number: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A picture whose five white or black squares spell its number, red in the upper left."""
    picture = np.full((height, width, 3), 110, np.uint8)
    picture[:12, :20] = (220, 20, 20)
    for k in range(5):
        picture[BIT : 2 * BIT, BIT * k : BIT * (k + 1)] = 255 * (number >> k & 1)
    picture[2 * BIT :, : 10 + 2 * number] = 60 + 100 * (number >> 5 & 1)
    return picture


def number_of(picture: np.ndarray) -> int:
    bits = [
        picture[BIT + 5 : 2 * BIT - 5, BIT * k + 5 : BIT * (k + 1) - 5].mean() for k in range(5)
    ]
    return sum((bit > 127) << k for k, bit in enumerate(bits)) + 32 * (
        picture[2 * BIT + 5 : -5, 3:8].mean() > 110
    )


def encode(
    path: Path, codec: str, pixels: str, options: dict[str, str], *, times: list[int] | None = None,
    rotation: int | None = None, size: tuple[int, int] = (HEIGHT, WIDTH),
) -> None:  # fmt: skip
    """Write numbered frames; `times` in 1/1000 s makes the rate vary."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = size
        stream.pix_fmt = pixels
        if rotation is not None:
            stream.set_display_rotation(rotation)
        if times:
            stream.codec_context.time_base = Fraction(1, 1000)
        for k in range(FRAMES):
            picture = numbered(k, *size)
            if rotation is not None:
                shown = size if rotation == 180 else size[::-1]
                picture = np.ascontiguousarray(np.rot90(numbered(k, *shown), -rotation // 90))
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times:
                frame.pts, frame.time_base = times[k], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


KINDS = {
    "closed GOP H.264": ("libx264", "yuv420p", {"g": "8", "x264-params": "open-gop=0"}, {}),
    "open GOP H.264": ("libx264", "yuv420p", {"x264-params": "open-gop=1:keyint=8:bframes=3"}, {}),
    "open GOP HEVC": (
        "libx265", "yuv420p", {"x265-params": "open-gop=1:keyint=8:bframes=4:log-level=none"}, {},
    ),
    "MPEG-4 part 2": ("mpeg4", "yuv420p", {"g": "12", "bf": "2", "q:v": "2"}, {}),
    "VP9": ("libvpx-vp9", "yuv420p", {"crf": "10", "b": "0", "auto-alt-ref": "1"}, {}),
    "variable rate": (
        "libx264", "yuv420p", {},
        {"times": [int(40 * k + 13 * (k % 3) + 500 * (k > 20)) for k in range(FRAMES)]},
    ),
    "odd size": ("libx264", "yuv444p", {}, {"size": (HEIGHT + 1, WIDTH + 3)}),
    "rotated by 90": ("libx264", "yuv420p", {}, {"rotation": 90, "size": (WIDTH, HEIGHT)}),
    "rotated by 180": ("libx264", "yuv420p", {}, {"rotation": 180}),
    "rotated by 270": ("libx264", "yuv420p", {}, {"rotation": 270, "size": (WIDTH, HEIGHT)}),
    "one key frame only": ("libx264", "yuv420p", {"g": "999", "bf": "5"}, {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_packed_clips_show_exactly_the_frames_of_the_raw_video(kind: str, tmp_path: Path) -> None:
    codec, pixels, options, more = KINDS[kind]
    root = tmp_path / "own"
    root.mkdir()
    path = root / ("a.webm" if codec.startswith("libvpx") else "a.mp4")
    encode(path, codec, pixels, options, **more)
    info = probe(path)
    assert info.frames == FRAMES
    cuts = ((0, 5), (3, 17), (7, 8), (17, FRAMES))
    common = {"video": path.name, "fps": info.fps, "width": info.width, "height": info.height}
    clips = Clips(
        "own",
        tuple(
            a_clip(f"c{k}", **common, start_frame=a, end_frame=b) for k, (a, b) in enumerate(cuts)
        ),
    )
    rows = "".join(f"c{k},train,,{path.name},{a},{b}\n" for k, (a, b) in enumerate(cuts))
    (root / "clips.csv").write_text(
        "clip_id,split,label,video,start_frame,end_frame\n" + rows, "utf-8"
    )
    spec = RgbModality(kind="rgb", edition="own", short_side=48, gop=8, crf=10, shards=2)
    spec.prepare(root, OWN, clips, tmp_path / "rgb", workers=1)
    videos = PackedVideos(tmp_path / "rgb", clips)
    for clip in clips:
        found = videos.read(clip.clip_id, np.arange(clip.frames))
        wanted = list(range(clip.start_frame, clip.end_frame))
        assert [number_of(picture) for picture in found] == wanted, clip.clip_id
        red = found[:, 3:9, 4:16].astype(int).mean((0, 1, 2))
        assert red[0] > red[1] + 100, "upright, and in the right colors"


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotated_videos_look_as_opencv_shows_them(rotation: int, tmp_path: Path) -> None:
    size = (HEIGHT, WIDTH) if rotation == 180 else (WIDTH, HEIGHT)
    encode(tmp_path / "a.mp4", "libx264", "yuv420p", {}, rotation=rotation, size=size)
    capture = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    for frame in read_frames(tmp_path / "a.mp4"):
        ok, wanted = capture.read()
        assert ok
        assert frame.shape == wanted.shape
        assert np.abs(frame.astype(int) - wanted[..., ::-1]).mean() < 3
    assert not capture.read()[0]


def test_frames_that_an_edit_list_cuts_away_are_not_counted(tmp_path: Path) -> None:
    """B-frames give an edit list; shift it so that the first frames are hidden."""
    encode(tmp_path / "a.mp4", "libx264", "yuv420p", {"g": "4", "bf": "0"})
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    at = data.index(b"elst") + 4 + 4 + 4 + 4  # version, entries, duration; then the media time
    scale = int.from_bytes(data[data.index(b"mdhd") + 16 : data.index(b"mdhd") + 20], "big")
    hidden = 3
    start = int.from_bytes(data[at : at + 4], "big") + hidden * scale // 25
    data[at : at + 4] = start.to_bytes(4, "big")
    (tmp_path / "a.mp4").write_bytes(data)
    numbers = [number_of(picture) for picture in read_frames(tmp_path / "a.mp4")]
    assert len(numbers) == probe(tmp_path / "a.mp4").frames < FRAMES
    assert numbers == list(range(FRAMES))[-len(numbers) :]


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("raw"))


SPEC = RgbModality(kind="rgb", edition="mimic", short_side=64, gop=4, crf=12, shards=4)


def break_video(root: Path, video: str) -> Path:
    """Damage in the middle of the data, which no header shows."""
    path = next(root.rglob(f"{video}.mp4"))
    data = bytearray(path.read_bytes())
    data[-600:-100] = bytes(500)
    path.write_bytes(data)
    return path


def test_all_damaged_videos_are_named_and_the_sound_shards_are_kept(
    raw: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    clips = open_archive(copy, MIMIC).read(excluded=(), workers=1)
    broken = [break_video(copy, video) for video in ("0011", "0012", "0101")]
    out = tmp_path / "rgb"
    with pytest.raises(ManyFaults) as caught:
        SPEC.prepare(copy, MIMIC, clips, out, workers=2)
    assert all(str(path) in str(caught.value) for path in broken)
    assert "list a video under editions.mimic.excluded in params.yaml" in str(caught.value)
    assert not out.exists()
    made = sorted(path.name for path in shards.work_folder(out).glob("*.tar"))
    assert made, "shards without damage stay for the next try"


def test_one_goes_on_without_the_damaged_videos_when_told(raw: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    for video in ("0012", "0101"):
        break_video(copy, video)
    clips = open_archive(copy, MIMIC).read(excluded=("0012", "0101"), workers=1)
    SPEC.prepare(copy, MIMIC, clips, tmp_path / "rgb", workers=1)
    assert len(clips) == 15
    assert {clip.video for clip in clips.excluded} == {"0012", "0101"}
    videos = PackedVideos(tmp_path / "rgb", clips)
    assert all(len(videos.read(clip.clip_id, np.arange(clip.frames))) for clip in clips)


def changed(work: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in sorted(work.glob("*.tar"))}


def test_finished_shards_are_not_made_again(raw: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    clips = open_archive(copy, MIMIC).read(excluded=(), workers=1)
    sound = next(copy.rglob("0102.mp4")).read_bytes()
    path = break_video(copy, "0102")
    out = tmp_path / "rgb"
    with pytest.raises(ManyFaults):
        SPEC.prepare(copy, MIMIC, clips, out, workers=1)
    before = changed(shards.work_folder(out))
    path.write_bytes(sound)
    SPEC.prepare(copy, MIMIC, clips, out, workers=1)
    after = changed(out)
    assert len(after) == 4
    assert {name: after[name] for name in before} == before
    assert not shards.work_folder(out).exists()
    assert sorted(p.suffix for p in out.iterdir()) == [".parquet"] + 4 * [".tar"]


def test_shards_of_other_knobs_or_files_are_made_again(raw: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    clips = open_archive(copy, MIMIC).read(excluded=(), workers=1)
    break_video(copy, "0102")
    out = tmp_path / "rgb"
    work = shards.work_folder(out)
    with pytest.raises(ManyFaults):
        SPEC.prepare(copy, MIMIC, clips, out, workers=1)
    first = changed(work)
    os.utime(next(copy.rglob("0011.mp4")), (1, 1))
    with pytest.raises(ManyFaults):
        SPEC.prepare(copy, MIMIC, clips, out, workers=1)
    second = changed(work)
    assert [name for name in first if first[name] != second[name]] == ["shard-000.tar"]
    other = SPEC.model_copy(update={"crf": 13})
    with pytest.raises(ManyFaults):
        other.prepare(copy, MIMIC, clips, out, workers=1)
    third = changed(work)
    assert all(second[name] != third[name] for name in second)


def test_a_stop_between_shard_and_note_leaves_no_stale_shard(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = open_archive(raw, MIMIC).read(excluded=(), workers=1)
    out = tmp_path / "rgb"
    small = SPEC.model_copy(update={"short_side": 32})

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for spec, last_step in ((SPEC, "finish"), (small, "write_text")):
        with monkeypatch.context() as patch:
            patch.setattr(shards, last_step, stop)
            with pytest.raises(KeyboardInterrupt):
                spec.prepare(raw, MIMIC, clips, out, workers=1)
    SPEC.prepare(raw, MIMIC, clips, out, workers=1)
    videos = PackedVideos(out, clips)
    assert {videos.read(c.clip_id, np.arange(1)).shape[1] for c in clips} == {64}


def test_two_clips_of_one_id_are_refused(tmp_path: Path) -> None:
    row = ManifestRow("0001_0", "s", 0, 8, 8, 64, 64)
    clips = Clips("mimic", (a_clip("0001_0"),))
    with pytest.raises(MismatchError, match="two clips of the index have the id 0001_0"):
        write_manifest([row, row], tmp_path, clips, spec="{}")


def test_the_key_of_a_shard_hangs_on_the_code_that_makes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clips = Clips("mimic", (a_clip("0001_0"),))
    plan = shards.plan_shards(clips, 1, "s-{}.tar")

    job = PackingJob(SPEC, Path("raw"), MIMIC, clips, "out", "config", 1, Path("w"))

    def key() -> str:
        return shards.keyed(plan, lambda _: [], job)[0].key

    before, read = key(), Path.read_bytes
    for name, counts in {
        "packing.py": True, "rgb.py": True, "raw_files.py": True, "video.py": True,
        "raft.py": False, "taylor.py": False, "table.py": False, "geometry.py": False,
    }.items():  # fmt: skip
        with monkeypatch.context() as patch:
            more = {name: b"\nMORE = 1\n"}
            patch.setattr(
                Path,
                "read_bytes",
                lambda p, *a, more=more, **k: read(p, *a, **k) + more.get(p.name, b""),
            )
            provenance.code_hash.cache_clear()
            assert (key() != before) == counts, name
    provenance.code_hash.cache_clear()
    monkeypatch.setattr(shards, "version", lambda name: f"another {name}")
    assert key() != before


PACK = """
import sys
from pathlib import Path
from benchmark.archives.union import open_archive
from benchmark.editions.edition import read_edition
from benchmark.modalities.rgb import RgbModality
raw, out = map(Path, sys.argv[1:])
edition = read_edition("mimic")
clips = open_archive(raw, edition).read(excluded=(), workers=1)
spec = RgbModality(kind="rgb", edition="mimic", short_side=64, gop=4, crf=12, shards=4)
if __name__ == "__main__":
    spec.prepare(raw, edition, clips, out, workers=1)
"""


def test_a_killed_packing_goes_on_at_the_next_shard_to_the_same_bytes(
    raw: Path, tmp_path: Path
) -> None:
    clips = open_archive(raw, MIMIC).read(excluded=(), workers=1)
    SPEC.prepare(raw, MIMIC, clips, tmp_path / "whole", workers=1)
    out = tmp_path / "rgb"
    work = shards.work_folder(out)
    process = subprocess.Popen(
        [sys.executable, "-c", PACK, str(raw), str(out)], cwd=REPO, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and not list(work.glob("*.tar.json")):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = changed(work) if work.exists() else changed(out)
    assert before
    SPEC.prepare(raw, MIMIC, clips, out, workers=2)
    after = changed(out)
    noted = [name for name in before if name in after]
    assert sum(before[name] == after[name] for name in noted) >= 1
    for path in sorted((tmp_path / "whole").iterdir()):
        assert (out / path.name).read_bytes() == path.read_bytes(), path.name
    assert len(list(out.iterdir())) == 5


def test_a_video_that_changes_its_size_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    with path.open("wb") as file:
        for size in ((48, 80), (64, 96)):
            encode(tmp_path / "part.ts", "libx264", "yuv420p", {"g": "4"}, size=size)
            file.write((tmp_path / "part.ts").read_bytes())
    with pytest.raises(Exception, match="frame .* has another size; expected 80x48; found 96x64"):
        list(read_frames(path))


def test_shards_hold_about_equally_many_clips_and_whole_videos() -> None:
    rows = [a_clip(f"{v:04d}_{k}") for v in range(30) for k in range(1 + v % 7)]
    planned = shards.plan_shards(Clips("mimic", tuple(rows)), 8, "s-{}.tar")
    assert 1 < len(planned) <= 8
    assert [clip for shard in planned for clip in shard.clips] == rows
    videos = [{clip.video for clip in shard.clips} for shard in planned]
    assert sum(map(len, videos)) == len(set().union(*videos)) == 30
    sizes = [len(shard.clips) for shard in planned]
    assert max(sizes) <= len(rows) / 8 + 7
