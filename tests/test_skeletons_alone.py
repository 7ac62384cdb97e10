"""Own clips that come as skeletons without any video."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.core.errors import ArchiveError, BenchmarkError, ParamsError
from benchmark.data.readers import SkeletonReader
from benchmark.data_report.scan import scan_archive
from benchmark.modalities.rgb import RgbModality
from benchmark.modalities.skeleton import SkeletonModality
from own_clips import write_skeletons

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.contracts.clips import Clips

SKELETON = SkeletonModality(kind="skeleton", edition="own", layout="own", shards=2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_skeletons(tmp_path / "own")


def read(root: Path) -> Clips:
    return open_archive(root, describe("own", root)).read(excluded=(), workers=1)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_a_clip_is_its_array(root: Path) -> None:
    clips = read(root)
    assert len(clips) == 28
    for clip in clips:
        points = np.load(root / f"skeletons/{clip.clip_id}.npy")
        assert (clip.start_frame, clip.end_frame) == (0, len(points))
        assert (clip.fps, clip.width, clip.height) == (15, 90, 66)
        assert clip.video == clip.clip_id


def test_prepared_points_are_those_of_the_arrays(root: Path, tmp_path: Path) -> None:
    clips, edition = read(root), describe("own", root)
    SKELETON.prepare(root, edition, clips, tmp_path / "out", workers=1)
    reader = SkeletonReader(tmp_path / "out", clips)
    for clip in clips:
        points = np.load(root / f"skeletons/{clip.clip_id}.npy")
        np.testing.assert_array_equal(reader.read(clip.clip_id), points)


def test_the_data_report_shows_points_on_an_empty_picture(root: Path) -> None:
    scan = scan_archive(root, describe("own", root), read(root), workers=1)
    assert not [fault for video in scan.videos for fault in video.faults]
    samples = scan.samples()
    assert len(samples) == 3
    assert {sample.frame.shape for sample in samples} == {(66, 90, 3)}
    assert all(sample.points is not None and sample.points[:, 2].any() for sample in samples)


def test_a_recording_named_by_video_groups_its_clips(root: Path) -> None:
    path = root / "clips.csv"
    rows = [line.split(",") for line in path.read_text("utf-8").splitlines()]
    named = [[*row, "video" if k == 0 else row[0].split("-")[0]] for k, row in enumerate(rows)]
    path.write_text("\n".join(map(",".join, named)) + "\n", "utf-8")
    assert len({clip.video for clip in read(root)}) == 14
    edit(path, "s0,train0\n", "s0,val0\n")
    with pytest.raises(BenchmarkError, match=r"clips\.csv.*: val0 is in two splits"):
        read(root)


def test_openpose_s_points_are_known_by_their_number(root: Path, tmp_path: Path) -> None:
    (root / "skeleton.yaml").write_text(
        "joints: openpose137\nwithout_videos: {fps: 25, width: 640, height: 480}\n", "utf-8"
    )
    rng = np.random.default_rng(0)
    for path in (root / "skeletons").iterdir():
        points = rng.uniform(0.2, 1, (9, 137, 3)) * (300, 300, 1)
        np.save(path, points.astype(np.float32))
    clips, edition = read(root), describe("own", root)
    spec = SKELETON.model_copy(update={"layout": "openpose36"})
    spec.prepare(root, edition, clips, tmp_path / "out", workers=1)
    reader, first = SkeletonReader(tmp_path / "out", clips), clips.ids[0]
    assert reader.layout == OPENPOSE36
    wanted = np.load(root / f"skeletons/{first}.npy")[:, list(OPENPOSE36.points)]
    np.testing.assert_array_equal(reader.read(first), wanted)
    with pytest.raises(ParamsError, match="not a layout of this archive; expected openpose36"):
        SKELETON.prepare(root, edition, clips, tmp_path / "own", workers=1)


def test_what_needs_pictures_says_so(root: Path, tmp_path: Path) -> None:
    rgb = RgbModality(kind="rgb", edition="own", short_side=48, gop=4, crf=18, shards=2)
    with pytest.raises(ArchiveError, match="the data set has no videos"):
        rgb.prepare(root, describe("own", root), read(root), tmp_path / "out", workers=1)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("clips.csv", "train0-0,", "train0-7,", r"line 2.*no skeleton of this clip"),
        ("clips.csv", "subject", "start_frame", "wrong columns; expected clip_id, split, label"),
        ("skeleton.yaml", "fps: 15", "fps: 0", "fps"),
        ("skeleton.yaml", "pairs: [[left hand, right hand], [left foot, right foot]]\n", "",
         "pairs: missing"),
        ("skeleton.yaml", "joints: [head, left hand, right hand, left foot, right foot]",
         "joints: openpose137", "openpose137 has its own edges"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(root: Path, file: str, old: str, new: str, message: str) -> None:
    edit(root / file, old, new)
    with pytest.raises(BenchmarkError, match=message):
        read(root)


def test_an_array_that_is_none_is_named(root: Path) -> None:
    (root / "skeletons/train0-0.npy").write_bytes(b"not an array")
    with pytest.raises(BenchmarkError, match=r"train0-0\.npy: not a readable array"):
        read(root)
