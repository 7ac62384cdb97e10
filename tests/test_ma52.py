"""The reader of Micro-Action 52: lists, clip-level videos, and what it says of damage."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from benchmark.archives.union import open_archive
from benchmark.core.errors import ArchiveError
from benchmark.core.video import write_video
from benchmark.editions.edition import read_edition

MA52 = read_edition("ma52")
TINY = MA52.model_copy(update={"counts": None})
CLIPS = {
    "train": (("train0000", 3, 12, (64, 48)), ("train0001", 51, 7, (48, 80))),
    "val": (("val0000", 0, 9, (64, 48)),),
    "test": (("test0000", 17, 30, (32, 32)),),
}
"""Of each split: name, label, frames, size."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ma52")
    for split, clips in CLIPS.items():
        (root / f"videos_{split}").mkdir()
        for name, _, frames, (width, height) in clips:
            pictures = [np.full((height, width, 3), 5 * k, np.uint8) for k in range(frames)]
            write_video(root / f"videos_{split}/{name}.mp4", pictures, 30, crf=20, gop=12)
        lines = "".join(f"{name}.mp4 {label}\n" for name, label, _, _ in clips)
        (root / f"{split}_list_videos.txt").write_text(lines, "utf-8")
    return root


@pytest.fixture
def copy(archive: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(archive, tmp_path / "raw"))


def fault(root: Path) -> str:
    with pytest.raises(ArchiveError) as caught:
        open_archive(root, TINY).read(excluded=(), workers=1)
    return str(caught.value)


def test_every_line_becomes_a_clip_as_long_as_its_video(archive: Path) -> None:
    clips = open_archive(archive, TINY).read(excluded=(), workers=2)
    found = [(c.split, c.clip_id, c.label, c.frames, (c.width, c.height), c.fps) for c in clips]
    assert found == [
        (split, name, None if split == "test" else label, frames, size, 30.0)
        for split, rows in CLIPS.items()
        for name, label, frames, size in rows
    ]


def test_lists_may_lie_among_the_annotations_and_videos_in_zips(copy: Path) -> None:
    wanted = open_archive(copy, TINY).read(excluded=(), workers=1)
    (copy / "annotations").mkdir()
    for split in CLIPS:
        name = f"{split}_list_videos.txt"
        (copy / name).rename(copy / "annotations" / name)
        with zipfile.ZipFile(copy / f"videos_{split}.zip", "w") as target:
            for path in sorted((copy / f"videos_{split}").iterdir()):
                target.write(path, f"videos_{split}/{path.name}")
        shutil.rmtree(copy / f"videos_{split}")
    assert open_archive(copy, TINY).read(excluded=(), workers=1) == wanted


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("val0000.mp4", "line 2: not a clip; expected 'name.mp4 label'; found val0000.mp4"),
        ("val0000.mp4 x", "line 2: the label is no whole number; found 'x'"),
        ("val0000.mp4 " + "9" * 5000, "line 2: the label is no whole number"),
        ("../val0000.mp4 3", "line 2: not a clip"),
        ("val0009.mp4 3", "line 2: .*videos_val has no video val0009.mp4"),
        ("val0000.mp4 3", "line 2: video val0000 comes twice; found also"),
    ],
)
def test_a_bad_line_is_named(copy: Path, line: str, message: str) -> None:
    with (copy / "val_list_videos.txt").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
    with pytest.raises(ArchiveError, match=message):
        open_archive(copy, TINY).read(excluded=(), workers=1)


def test_a_label_past_the_52_actions_is_refused(copy: Path) -> None:
    (copy / "val_list_videos.txt").write_text("val0000.mp4 52\n", "utf-8")
    assert "val_list_videos.txt line 1: unknown class; expected 0 to 51; found 52" in fault(copy)


def test_a_video_that_no_list_names_is_not_dropped_silently(copy: Path) -> None:
    shutil.copy(copy / "videos_val/val0000.mp4", copy / "videos_val/val0001.mp4")
    assert "does not list 1 video(s), the first is val0001.mp4" in fault(copy)


def test_what_systems_leave_beside_videos_is_no_video(copy: Path) -> None:
    before = open_archive(copy, MA52).index(excluded=(), workers=1)
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._a.mp4"):
        (copy / "videos_train" / name).touch()
    assert open_archive(copy, MA52).index(excluded=(), workers=1) == before


def test_a_name_in_two_splits_is_refused(copy: Path) -> None:
    shutil.copy(copy / "videos_val/val0000.mp4", copy / "videos_train/val0000.mp4")
    with (copy / "train_list_videos.txt").open("a", encoding="utf-8") as file:
        file.write("val0000.mp4 3\n")
    assert "video val0000 comes twice; found also" in fault(copy)


def test_a_missing_list_is_named(copy: Path) -> None:
    (copy / "test_list_videos.txt").unlink()
    assert "test_list_videos.txt: no such file" in fault(copy)


def test_another_size_than_published_is_refused_with_the_way_out(archive: Path) -> None:
    with pytest.raises(ArchiveError, match="expected 5586 videos.*found 1 videos.*raise the vers"):
        open_archive(archive, MA52).read(excluded=(), workers=1)


def test_a_damaged_video_is_excluded_only_when_the_user_says_so(copy: Path) -> None:
    (copy / "videos_train/train0001.mp4").write_bytes(b"nothing")
    assert "list a video under editions.ma52.excluded" in fault(copy)
    clips = open_archive(copy, TINY).read(excluded=("train0001",), workers=1)
    assert [clip.clip_id for clip in clips.excluded] == ["train0001"]
    assert clips.split("train").ids == ["train0000"]


def test_an_excluded_name_that_is_no_video_is_a_mistake(archive: Path) -> None:
    with pytest.raises(ArchiveError, match=r"editions\.ma52\.excluded: no video train0007"):
        open_archive(archive, TINY).read(excluded=("train0007",), workers=1)


def test_files_are_known_by_video_and_keypoints_are_absent(archive: Path) -> None:
    opened = open_archive(archive, TINY)
    assert opened.video_files()["val0000"].path == archive / "videos_val/val0000.mp4"
    assert opened.keypoints() is None
