"""SMG's sequences: labels, joints and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmark.archives.union import open_archive
from benchmark.contracts.skeletons import KINECT25
from benchmark.core.errors import ArchiveError, ManyFaults
from benchmark.core.video import write_video
from benchmark.data.readers import SkeletonReader
from benchmark.editions.edition import read_edition
from benchmark.modalities.skeleton import SkeletonModality

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.archives.archive import Archive

FRAMES = 30
SMG = read_edition("smg")


def write_smg(root: Path, sequences: int = 37) -> Archive:
    """Sequences of 30 frames, two gestures each: frames 3 to 10 and 12 to 30."""
    rng = np.random.default_rng(0)
    for number in range(1, sequences + 1):
        name = f"Sample{number:04d}"
        folder = root / name
        folder.mkdir(parents=True)
        (folder / f"{name}_data.csv").write_text(f"{FRAMES},28,3800\n")
        (folder / f"{name}_finelabels.csv").write_text(f"{1 + number % 17},3,10\n17,12,{FRAMES}\n")
        joints = rng.uniform(1, 900, (FRAMES, 25, 11))
        joints[:, 24, 7:9] = -np.inf
        joints[:, 23, 7:9] = 0
        np.savetxt(folder / f"{name}_skeleton.csv", joints.reshape(FRAMES, -1), "%.3f", ",")
    return open_archive(root, SMG)


def test_labels_count_from_one_and_both_ends_belong_to_them(tmp_path: Path) -> None:
    clips = write_smg(tmp_path).read(excluded=(), workers=1)
    first, second = clips.rows[:2]
    assert (first.label, first.start_frame, first.end_frame, first.fps) == (1, 2, 10, 28)
    assert (second.label, second.start_frame, second.end_frame) == (16, 11, 30)
    assert [clip.video for clip in clips.split("val")] == ["Sample0036"] * 2 + ["Sample0037"] * 2


def test_joints_are_the_pixels_of_the_color_picture_and_unseen_ones_are_zero(
    tmp_path: Path,
) -> None:
    archive = write_smg(tmp_path / "raw")
    clips = archive.read(excluded=(), workers=1)
    spec = SkeletonModality(kind="skeleton", edition="smg", layout="own", shards=2)
    spec.prepare(tmp_path / "raw", SMG, clips, tmp_path / "out", workers=1)
    reader = SkeletonReader(tmp_path / "out", clips)
    assert reader.layout == KINECT25
    raw = np.loadtxt(tmp_path / "raw/Sample0001/Sample0001_skeleton.csv", delimiter=",")
    points = reader.read("Sample0001_0")
    np.testing.assert_allclose(points[:, 5, :2], raw[2:10, 5 * 11 + 7 : 5 * 11 + 9], rtol=1e-6)
    assert points[:, :23, 2].min() == 1
    assert not points[:, 23:].any(), "zeros and infinities are no points"
    assert archive.num_frames(["Sample0001"]) == [FRAMES]
    source = archive.keypoints()
    assert source is not None
    assert source.num_rows("Sample0001") == len(source.read("Sample0001")) == FRAMES


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("finelabels", "18,3,10\n", "class 1 to 17, frames within 1 to 30; found 18,3,10"),
        ("finelabels", "3,3,31\n", "frames within 1 to 30; found 3,3,31"),
        ("finelabels", "3,3.5,9\n", "no whole number; found '3.5'"),
        ("data", "30\n", "frames, frames per second, largest depth"),
    ],
)
def test_what_breaks_the_form_is_named_with_its_line(
    file: str, text: str, said: str, tmp_path: Path
) -> None:
    archive = write_smg(tmp_path, 2)
    (tmp_path / f"Sample0002/Sample0002_{file}.csv").write_text(text)
    with pytest.raises(ManyFaults) as caught:
        archive.read(excluded=(), workers=1)
    assert said in str(caught.value)
    assert f"Sample0002_{file}.csv line 1" in str(caught.value)


def test_a_gesture_past_the_end_of_its_video_is_refused(tmp_path: Path) -> None:
    archive = write_smg(tmp_path, 1)
    picture = np.zeros((64, 64, 3), np.uint8)
    write_video(tmp_path / "Sample0001/Sample0001_color.mp4", [picture] * 20, 28, crf=30, gop=10)
    with pytest.raises(ManyFaults, match=r"line 2: .* within 1 to 20; found 17,12,30"):
        archive.index(excluded=(), workers=1)


def test_a_sequence_without_gestures_is_not_dropped_without_a_word(tmp_path: Path) -> None:
    archive = write_smg(tmp_path, 2)
    (tmp_path / "Sample0002/Sample0002_finelabels.csv").write_text("")
    with pytest.raises(ManyFaults, match=r"Sample0002_finelabels\.csv: no rows"):
        archive.index(excluded=(), workers=1)


def test_a_table_of_another_width_is_refused(tmp_path: Path) -> None:
    archive = write_smg(tmp_path, 1)
    (tmp_path / "Sample0001/Sample0001_skeleton.csv").write_text("1,2,3\n")
    points = archive.keypoints()
    assert points is not None
    with pytest.raises(ArchiveError, match="expected 275, 11 of each of 25 joints; found 3"):
        list(points.of_video(archive.index(excluded=(), workers=1).rows))


def test_videos_of_some_sequences_only_are_refused(tmp_path: Path) -> None:
    archive = write_smg(tmp_path, 2)
    (tmp_path / "Sample0001/Sample0001_color.mp4").write_bytes(b"x")
    with pytest.raises(ManyFaults, match=r"1 sequence\(s\) have no video.*Sample0002"):
        archive.read(excluded=(), workers=1)
