"""The reader of the raw archives: what it takes, and what it says of damage."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import openpyxl
import pytest

from benchmark.archives.imigue import RawLabel, class_index, read_labels
from benchmark.archives.openpose import read_openpose
from benchmark.archives.sheet import MAX_TEXTS
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import read_clips, write_clips
from benchmark.core.errors import ArchiveError
from benchmark.editions.edition import read_edition
from benchmark.synthetic.xlsx import write_xlsx
from tiny_archive import FRAMES, HEIGHT, LABELS, VIDEOS, WIDTH, keypoints_of, write_archive

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips

MIMIC = read_edition("mimic")
TRAIN = "imigue_data_phase1/datasets/imigue_skeleton_train"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def copy(archive: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(archive, tmp_path / "raw"))


def index(root: Path) -> Clips:
    return open_archive(root, MIMIC).read(excluded=(), workers=1)


def fault(root: Path) -> str:
    with pytest.raises(ArchiveError) as caught:
        index(root)
    return str(caught.value)


def test_every_label_row_becomes_a_clip_in_file_order(archive: Path) -> None:
    clips = index(archive)
    assert len(clips) == len(VIDEOS) * len(LABELS)
    assert [clip.clip_id for clip in clips.split("val")][:4] == [
        "0001_0", "0001_1", "0001_2", "0002_0",
    ]  # fmt: skip


def test_raw_frames_become_half_open_and_class_99_the_last(archive: Path) -> None:
    first, second, _ = index(archive).split("val").rows[:3]
    assert (first.start_frame, first.end_frame, first.label) == (0, 12, 30)
    assert (second.start_frame, second.end_frame, second.label) == (10, 30, 31)
    assert [class_index(raw, num_classes=32) for raw in (1, 31, 99)] == [0, 30, 31]


def test_size_and_rate_come_from_the_file(archive: Path) -> None:
    clip = index(archive).rows[0]
    assert (clip.width, clip.height, clip.fps) == (WIDTH, HEIGHT, 25.0)


def test_labels_of_test_are_withheld_whatever_the_file_says(archive: Path) -> None:
    assert {clip.label for clip in index(archive).split("test")} == {None}


def test_placeholders_of_test_may_be_any_number(copy: Path) -> None:
    path = next(copy.rglob("0101_label.csv"))
    path.write_text("0,0,5\n-1,6,9\n4711,10,12\n", "utf-8")
    assert [clip.frames for clip in index(copy) if clip.video == "0101"] == [6, 4, 3]


def test_a_label_file_of_another_encoding_is_named(copy: Path) -> None:
    path = next(copy.rglob("0012_label.csv"))
    path.write_bytes("8,0,5\n".encode("utf-16"))
    assert f"{path}: UTF-16; expected UTF-8" in fault(copy)


def test_the_index_does_not_depend_on_the_number_of_workers(archive: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        clips = open_archive(archive, MIMIC).read(excluded=(), workers=workers)
        write_clips(clips, tmp_path / f"{workers}.parquet", MIMIC)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()
    assert read_clips(tmp_path / "1.parquet", MIMIC) == index(archive)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("8,20,10", "ends before it starts; expected 0 <= start <= end; found start 20, end 10"),
        ("8,-1,10", "ends before it starts; expected 0 <= start <= end; found start -1, end 10"),
        ("0,1,2", "unknown class; expected 1 to 31 or 99; found 0"),
        ("32,1,2", "unknown class; expected 1 to 31 or 99; found 32"),
        ("98,1,2", "unknown class; expected 1 to 31 or 99; found 98"),
        ("8,1", "not a label; expected three integers: class,start,end; found 8,1"),
        ("8,1,2,3", "not a label; expected three integers: class,start,end; found 8,1,2,3"),
        ("1_0,1,2", "not a label; expected three integers: class,start,end; found 1_0,1,2"),
        ("x,1,2", "not a label; expected three integers: class,start,end; found x,1,2"),
        (f"8,30,{FRAMES}", f"clip 0012_1 ends past the video; expected end <= {FRAMES - 1}"),
    ],
)
def test_a_bad_label_row_is_named_with_file_and_line(copy: Path, row: str, message: str) -> None:
    path = copy / TRAIN / "0012/0012_label.csv"
    path.write_text(f"8,0,5\n{row}\n", "utf-8")
    assert f"{path} line 2: {message}" in fault(copy)


def test_an_empty_label_file_is_refused(copy: Path) -> None:
    path = copy / TRAIN / "0012/0012_label.csv"
    path.write_text("", "utf-8")
    assert f"{path}: no rows" in fault(copy)


def test_a_missing_video_is_named(copy: Path) -> None:
    path = copy / "imigue_rgb_phase2/0101/0101.mp4"
    path.unlink()
    assert f"{path}: no such file" in fault(copy)


def test_a_video_without_skeleton_is_named(copy: Path) -> None:
    shutil.rmtree(copy / TRAIN / "0013")
    assert "1 video(s) of train have only one of skeleton and RGB: 0013" in fault(copy)


def test_a_truncated_video_is_named_and_the_others_are_looked_at(copy: Path) -> None:
    for video in ("0011", "0013"):
        path = copy / f"imigue_rgb_phase1/train_data/{video}/{video}.mp4"
        path.write_bytes(path.read_bytes()[:-900])
    found = fault(copy)
    assert "2 faults" in found
    assert "0011.mp4" in found
    assert "0013.mp4" in found


def test_a_file_that_is_no_video_is_named(copy: Path) -> None:
    path = copy / "imigue_rgb_phase2/0101/0101.mp4"
    path.write_bytes(b"no video at all")
    assert str(path) in fault(copy)


def test_a_video_in_two_splits_is_refused(copy: Path) -> None:
    shutil.copytree(
        copy / TRAIN / "0011", copy / "imigue_data_phase1/datasets/imigue_skeleton_validate/0011"
    )
    shutil.copytree(
        copy / "imigue_rgb_phase1/train_data/0011", copy / "imigue_rgb_phase1/validation_data/0011"
    )
    assert "1 video(s) are in two splits: 0011" in fault(copy)


def test_a_missing_folder_is_named(copy: Path) -> None:
    shutil.rmtree(copy / "imigue_rgb_phase2")
    found = fault(copy)
    assert found.count("neither the folder imigue_rgb_phase2 nor imigue_rgb_phase2.zip") == 1
    assert "Fetch the archive" in found
    assert "excluded" not in found, "to exclude videos would not help"


def test_all_missing_archives_are_named_together(copy: Path) -> None:
    shutil.rmtree(copy / "imigue_rgb_phase1")
    shutil.rmtree(copy / "imigue_data_phase2")
    found = fault(copy)
    for archive in ("imigue_rgb_phase1", "imigue_skeleton_phase2"):
        assert found.count(f"nor {archive}.zip") == 1
    assert "2 faults" in found
    assert "excluded" not in found


def test_an_archive_that_lies_one_folder_too_deep_is_found(copy: Path) -> None:
    (copy / "unzipped").mkdir()
    (copy / "imigue_data_phase1").rename(copy / "unzipped/imigue_data_phase1")
    assert f"found {copy}/unzipped/imigue_data_phase1. Move it up, into {copy}" in fault(copy)


def test_keypoints_come_out_as_written(archive: Path) -> None:
    found = read_openpose(archive / TRAIN / "0012/0012_openpose.xlsx")
    assert found.shape == (FRAMES, 137, 3)
    np.testing.assert_array_equal(
        found.reshape(FRAMES, 411), keypoints_of("0012").astype(np.float32)
    )


def test_a_sheet_of_410_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    write_xlsx(path, np.zeros((3, 410)))
    with pytest.raises(ArchiveError, match="wrong width; expected 411 columns .* found 410"):
        read_openpose(path)


def test_a_text_cell_is_named_by_row_and_column(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in np.ones((3, 411)).tolist():
        book.active.append(row)
    book.active.cell(2, 7).value = "n/a"
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(ArchiveError, match=r"row 2, column 7 is no number; found 'n/a'"):
        read_openpose(tmp_path / "a.xlsx")


def test_a_blank_cell_is_no_number(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in np.ones((3, 411)).tolist():
        book.active.append(row)
    book.active.cell(3, 411).value = None
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(ArchiveError, match="row 3, column 411 is no number"):
        read_openpose(tmp_path / "a.xlsx")


def test_a_file_that_is_no_sheet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"PK no zip")
    with pytest.raises(ArchiveError, match=r"a\.xlsx: not a readable xlsx"):
        read_openpose(path)


def changed_sheet(path: Path, **parts: bytes) -> Path:
    """A sheet of 3 rows with more rows, or with a list of texts."""
    write_xlsx(path.with_suffix(".sound"), np.ones((3, 411)))
    with (
        zipfile.ZipFile(path.with_suffix(".sound")) as sound,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as changed,
    ):
        for name in sound.namelist():
            end = b"</sheetData>"
            changed.writestr(name, sound.read(name).replace(end, parts.get("rows", b"") + end))
        if "texts" in parts:
            changed.writestr("xl/sharedStrings.xml", parts["texts"])
    return path


@pytest.mark.parametrize("place", ["XFD1048576", "A900000", "XFD4294967295"])
def test_a_cell_far_from_the_others_is_a_message_and_no_crash(place: str, tmp_path: Path) -> None:
    row = place.lstrip("XFDA")
    path = changed_sheet(
        tmp_path / "a.xlsx", rows=f'<row r="{row}"><c r="{place}"><v>1</v></c></row>'.encode()
    )
    with pytest.raises(ArchiveError, match=r"a\.xlsx: .*more than 4 GiB.* Delete cells far from"):
        read_openpose(path)


def test_a_list_of_texts_that_fills_the_memory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = changed_sheet(tmp_path / "a.xlsx", texts=b" " * (MAX_TEXTS + 1))
    with pytest.raises(ArchiveError, match=r"xl/sharedStrings.xml in it is too large"):
        read_openpose(path)


def test_whole_numbers_of_pandas_are_whole_and_others_are_not(tmp_path: Path) -> None:
    path = tmp_path / "v_label.csv"
    path.write_text("8.0,1.0,10.0\n", "utf-8")
    assert read_labels(path, num_classes=32) == [RawLabel(8, 1, 10)]
    path.write_text("8,1,10.5\n", "utf-8")
    with pytest.raises(ArchiveError, match=r"not a label; .*found 8,1,10\.5"):
        read_labels(path, num_classes=32)
