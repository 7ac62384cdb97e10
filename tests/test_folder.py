"""Anyone's own clips: what the folder may hold, and what is said of mistakes in it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.core.errors import ArchiveError, BenchmarkError, ClipUnreadable, ManyFaults
from benchmark.data.readers import PackedVideos, SkeletonReader
from benchmark.editions.edition import Edition
from benchmark.modalities.rgb import RgbModality
from benchmark.modalities.skeleton import SkeletonModality
from own_clips import CLASSES, FRAMES, JOINTS, write_folder

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "own")


def edition(root: Path) -> Edition:
    return describe("own", root)


def fault(root: Path, known: Edition | None = None) -> str:
    with pytest.raises(BenchmarkError) as caught:
        open_archive(root, known or edition(root)).read(excluded=(), workers=1)
    return str(caught.value)


def edit(root: Path, old: str, new: str) -> None:
    path = root / "clips.csv"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_the_described_edition_fits_its_folder(root: Path) -> None:
    own = edition(root)
    assert (own.name, own.dataset, own.classes) == ("own", "folder", CLASSES)
    assert own.withheld == ("test",)
    assert own.comparable


def test_every_row_becomes_a_clip(root: Path) -> None:
    clips = open_archive(root, edition(root)).read(excluded=(), workers=2)
    assert len(clips) == 28
    first, second = clips.rows[:2]
    assert (first.clip_id, first.video, first.subject) == ("train0-0", "videos/train0.mp4", "s0")
    assert (first.start_frame, first.end_frame, first.label) == (0, FRAMES // 2, 0)
    assert (second.start_frame, second.fps, second.width, second.height) == (12, 15.0, 90, 66)
    assert {clip.label for clip in clips.split("test")} == {None}


def test_without_frame_columns_a_clip_is_its_whole_video(root: Path) -> None:
    rows = ["clip_id,split,label,video"]
    rows += [f"a{k},train,wave,videos/train{k}.mp4" for k in range(2)]
    rows += ["b,val,nod,videos/val0.mp4"]
    (root / "clips.csv").write_text("\n".join(rows) + "\n", "utf-8")
    clips = open_archive(root, edition(root)).read(excluded=(), workers=1)
    assert [(c.start_frame, c.end_frame, c.subject) for c in clips] == [(0, FRAMES, None)] * 3
    assert edition(root).withheld == ("test",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("train0-0,", "../x,", "line 2: not a clip id"),
        (",train,", ",training,", "line 2: unknown split; expected train, val, test"),
        (",wave,", ",waving,", "line 2: unknown class; expected one of wave, nod, still"),
        (",wave,", ",,", "edition|line 2: unknown class"),
        ("videos/train0.mp4", "videos/none.mp4", "line 2: no such video"),
        ("videos/train0.mp4", "../../etc/passwd", "line 2: the video lies outside the folder"),
        ("videos/train0.mp4", "/etc/passwd", "line 2: the video lies outside the folder"),
        (",0,12,", ",x,12,", "line 2: start_frame is no whole number"),
        (",0,12,", ",-1,12,", "line 2: start_frame is below 0"),
        (",0,12,", ",12,12,", "line 2: no frame in it"),
        (",12,24,", ",12,25,", "line 3: not inside its video; expected frames within 0 to 24"),
        (",s0\n", ",s0,more\n", "line 2: more cells than columns"),
        (",0,12,", f",0,{'9' * 5000},", "line 2: end_frame is no whole number"),
        ("videos/train0.mp4", "m" * 400 + ".mp4", "line 2: no such video"),
        (",s0\n", ',"s0\n', "line 2: not csv|a cell goes over several lines"),
        ("train0-1,", "train0-0,", "line 3: clip train0-0 comes twice; found also .*line 2"),
        ("videos/train0.mp4", "videos/val0.mp4", r"videos/val0\.mp4 is in two splits"),
        ("clip_id,", "id,", "wrong columns; expected clip_id, split, label, video and perhaps"),
    ],
)
def test_a_mistake_in_the_list_is_named_with_its_line(
    root: Path, old: str, new: str, message: str
) -> None:
    known = edition(root)
    edit(root, old, new)
    with pytest.raises(BenchmarkError, match=message):
        open_archive(root, known).read(excluded=(), workers=1)


def test_a_person_in_two_spellings_is_named(root: Path) -> None:
    edit(root, ",s0\n", ",1\n")
    edit(root, ",s6\n", ",01\n")  # the first of validation
    with pytest.raises(BenchmarkError, match="line 14: person '01' is '1' in another.*line 2"):
        edition(root)


def test_letters_and_spaces_that_look_alike_are_the_same_name(root: Path) -> None:
    (root / "classes.txt").write_text("w\u00e4ve\nnod\nstill\n", "utf-8")
    text = (root / "clips.csv").read_text("utf-8").replace(",wave,", ",wa\u0308ve,")
    (root / "clips.csv").write_text(text, "utf-8")
    edit(root, ",s0\n", ", s0 \n")
    known = edition(root)
    clips = open_archive(root, known).read(excluded=(), workers=1)
    assert known.classes[0] == "w\u00e4ve"
    assert {clip.subject for clip in clips if clip.video == "videos/train0.mp4"} == {"s0"}
    (root / "classes.txt").write_text("w\u00e4ve\nwa\u0308ve\nstill\n", "utf-8")
    with pytest.raises(BenchmarkError, match="comes twice"):
        edition(root)


def test_all_mistakes_are_named_at_once(root: Path) -> None:
    known = edition(root)
    edit(root, "train0-0,train", "train0-0,nowhere")
    edit(root, "videos/val1.mp4", "videos/none.mp4")
    assert fault(root, known).count("clips.csv line") == 2


def test_a_split_labelled_in_part_is_refused_when_described(root: Path) -> None:
    edit(root, "val0-0,val,wave", "val0-0,val,")
    with pytest.raises(BenchmarkError, match="split val has labels in 7 of its 8 rows"):
        edition(root)


def test_other_classes_than_the_editions_are_refused(root: Path) -> None:
    known = edition(root)
    (root / "classes.txt").write_text("wave\nnod\n", "utf-8")
    assert "not the classes of edition own; expected wave, nod, still; found wave, nod" in fault(
        root, known
    )


@pytest.mark.parametrize(
    "spelling", ["videos/./train0.mp4", "videos/../videos/train0.mp4", "x.mp4"]
)
def test_one_file_under_two_names_leaks_into_no_other_split(root: Path, spelling: str) -> None:
    known = edition(root)
    (root / "x.mp4").symlink_to(root / "videos/train0.mp4")
    edit(root, "videos/val0.mp4", spelling)
    assert "is in two splits" in (found := fault(root, known)) or "are one file" in found


def test_rows_after_an_open_quote_are_not_lost(root: Path) -> None:
    known = edition(root)
    path = root / "clips.csv"
    text = path.read_text("utf-8")
    for stray in (text.replace(",s11\n", ',"s11\n', 1), text.replace(",s3\n", ',"s3\n"', 1)):
        path.write_text(stray, "utf-8")
        assert "Close the quote" in fault(root, known)


@pytest.mark.parametrize("name", ["clips.csv", "classes.txt"])
def test_text_of_another_encoding_is_named(root: Path, name: str) -> None:
    known = edition(root)
    path = root / name
    path.write_bytes(path.read_text("utf-8").encode("utf-16"))
    assert f"{name}: UTF-16; expected UTF-8. Save it as UTF-8" in fault(root, known)
    path.write_bytes("Händewaschen\n".encode("cp1252"))
    assert f"{name} line 1: not UTF-8" in fault(root, known)


def test_a_list_with_byte_order_mark_and_windows_line_ends_is_read(root: Path) -> None:
    wanted = open_archive(root, edition(root)).read(excluded=(), workers=1)
    for name in ("clips.csv", "classes.txt"):
        text = (root / name).read_text("utf-8")
        (root / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert open_archive(root, edition(root)).read(excluded=(), workers=1) == wanted


def test_an_excluded_video_may_be_gone(root: Path) -> None:
    known = edition(root)
    (root / "videos/train1.mp4").unlink()
    assert "no such video" in fault(root, known)
    clips = open_archive(root, known).read(excluded=("videos/train1.mp4",), workers=1)
    assert {clip.video for clip in clips.excluded} == {"videos/train1.mp4"}


def test_own_skeletons_and_videos_are_prepared(root: Path, tmp_path: Path) -> None:
    own = edition(root)
    clips = open_archive(root, own).read(excluded=(), workers=1)
    points = SkeletonModality(kind="skeleton", edition="own", layout="own", shards=3)
    points.prepare(root, own, clips, tmp_path / "skeleton", workers=2)
    reader = SkeletonReader(tmp_path / "skeleton", clips)
    assert reader.layout.swap == (0, 2, 1, 4, 3)
    assert reader.layout.edges[0] == (0, 1)
    for clip in clips:
        wanted = np.load(root / f"skeletons/{clip.clip_id}.npy")
        np.testing.assert_array_equal(reader.read(clip.clip_id), wanted)
    video = RgbModality(kind="rgb", edition="own", short_side=66, gop=4, crf=18, shards=3)
    video.prepare(root, own, clips, tmp_path / "rgb", workers=2)
    frames = PackedVideos(tmp_path / "rgb", clips).read("train1-1", np.arange(12))
    assert frames.shape == (12, 66, 90, 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((12, JOINTS, 2), np.float32), r"expected float32 \(12, 5, 3\)"),
        (np.zeros((11, JOINTS, 3), np.float32), r"found float32 \(11, 5, 3\)"),
        (np.zeros((12, JOINTS, 3), np.float64), "found float64"),
        (np.full((12, JOINTS, 3), np.nan, np.float32), "frame 0, point 0 is not finite"),
        (np.array([{}]), "not a readable array; .*pickle"),
        (np.full((12, JOINTS, 3), 100, np.float32), "no confidences in the third column"),
    ],
)
def test_a_wrong_skeleton_is_named(
    root: Path, tmp_path: Path, array: np.ndarray, message: str
) -> None:
    np.save(root / "skeletons/val2-1.npy", array, allow_pickle=True)
    own = edition(root)
    clips = open_archive(root, own).read(excluded=(), workers=1)
    spec = SkeletonModality(kind="skeleton", edition="own", layout="own", shards=3)
    with pytest.raises(BenchmarkError, match=rf"val2-1\.npy: .*{message}"):
        spec.prepare(root, own, clips, tmp_path / "skeleton", workers=1)


def test_a_missing_skeleton_is_named(root: Path, tmp_path: Path) -> None:
    (root / "skeletons/val2-1.npy").unlink()
    own = edition(root)
    clips = open_archive(root, own).read(excluded=(), workers=1)
    spec = SkeletonModality(kind="skeleton", edition="own", layout="own", shards=3)
    with pytest.raises(BenchmarkError, match=r"skeletons/val2-1\.npy: no such file"):
        spec.prepare(root, own, clips, tmp_path / "skeleton", workers=1)


def test_openpose_points_are_not_looked_for_in_own_skeletons(root: Path, tmp_path: Path) -> None:
    own = edition(root)
    clips = open_archive(root, own).read(excluded=(), workers=1)
    spec = SkeletonModality(kind="skeleton", edition="own", layout="openpose36", shards=3)
    with pytest.raises(BenchmarkError, match="not a layout of this archive; expected own"):
        spec.prepare(root, own, clips, tmp_path / "skeleton", workers=1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[left hand, right hand], [", "[left hand, right fist], [", "no joint 'right fist'"),
        ("[left foot, right foot]", "[left hand, right foot]", "a joint is in two pairs"),
        ("joints: [head,", "joints: [left hand,", "two joints have the same name"),
        ("edges:", "limbs:", "limbs: unknown key"),
    ],
)
def test_a_wrong_skeleton_yaml_is_named(root: Path, old: str, new: str, message: str) -> None:
    path = root / "skeleton.yaml"
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(BenchmarkError, match=message):
        open_archive(root, edition(root)).keypoints()


@pytest.mark.parametrize("gone", ["skeleton.yaml", "skeletons"])
def test_half_of_what_skeletons_need_is_a_mistake(root: Path, gone: str) -> None:
    (root / gone).rename(root / "elsewhere")
    with pytest.raises(BenchmarkError, match=f"{gone}: missing, but its other half is there"):
        open_archive(root, edition(root)).keypoints()


def test_a_folder_without_skeletons_has_none_to_prepare(root: Path, tmp_path: Path) -> None:
    (root / "skeleton.yaml").unlink()
    shutil.rmtree(root / "skeletons")
    own = edition(root)
    assert open_archive(root, own).keypoints() is None
    clips = open_archive(root, own).read(excluded=(), workers=1)
    spec = SkeletonModality(kind="skeleton", edition="own", layout="own", shards=3)
    with pytest.raises(BenchmarkError, match="has no keypoints.*modality of kind 'pose'"):
        spec.prepare(root, own, clips, tmp_path / "skeleton", workers=1)


@pytest.mark.parametrize("data", [b"PK\x03\x04 junk", b"", b"text"])
def test_a_skeleton_of_other_bytes_is_named(root: Path, tmp_path: Path, data: bytes) -> None:
    (root / "skeletons/val2-1.npy").write_bytes(data)
    own = edition(root)
    clips = open_archive(root, own).read(excluded=(), workers=1)
    spec = SkeletonModality(kind="skeleton", edition="own", layout="own", shards=3)
    with pytest.raises(BenchmarkError, match=r"val2-1\.npy: not a readable array"):
        spec.prepare(root, own, clips, tmp_path / "skeleton", workers=1)


def test_several_arrays_in_one_file_are_no_skeleton(root: Path, tmp_path: Path) -> None:
    with (root / "skeletons/val2-1.npy").open("wb") as file:
        np.savez(file, a=np.zeros(3), b=np.zeros(3))
    own = edition(root)
    clips = open_archive(root, own).read(excluded=(), workers=1)
    spec = SkeletonModality(kind="skeleton", edition="own", layout="own", shards=3)
    with pytest.raises(BenchmarkError, match=r"val2-1\.npy: not a single array"):
        spec.prepare(root, own, clips, tmp_path / "skeleton", workers=1)


def test_whole_numbers_of_pandas_are_whole(root: Path) -> None:
    wanted = open_archive(root, edition(root)).read(excluded=(), workers=1)
    text = (root / "clips.csv").read_text("utf-8")
    (root / "clips.csv").write_text(re.sub(r",(\d+),(\d+),", r",\1.0,\2.0,", text), "utf-8")
    assert open_archive(root, edition(root)).read(excluded=(), workers=1) == wanted
    (root / "clips.csv").write_text(re.sub(r",(\d+),(\d+),", r",\1,\2.5,", text), "utf-8")
    with pytest.raises(ManyFaults, match="end_frame is no whole number; found '12.5'"):
        describe("own", root)


def test_a_page_instead_of_a_list_is_called_that(root: Path) -> None:
    (root / "clips.csv").write_text("<html><body>Sign in</body></html>", "utf-8")
    with pytest.raises(ArchiveError, match=r"clips\.csv: not the text itself; found an HTML page"):
        describe("own", root)


@pytest.mark.parametrize("odd", ["\x0b", "\x0e", "\x1c", "\u2028"])
def test_a_class_name_with_a_control_character_is_named(odd: str, root: Path) -> None:
    (root / "classes.txt").write_text(f"wave\nno{odd}d\nstill\n", "utf-8")
    with pytest.raises(ArchiveError, match=r"classes\.txt: a class name holds a control character"):
        describe("own", root)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_of_any_system_are_class_names(end: str, root: Path) -> None:
    (root / "classes.txt").write_bytes(end.join((*CLASSES, "")).encode())
    assert edition(root).classes == CLASSES


@pytest.mark.parametrize("kind", ["gone", "cut", "short"])
def test_damaged_prepared_points_are_one_message(kind: str, root: Path, tmp_path: Path) -> None:
    own = edition(root)
    clips = open_archive(root, own).read(excluded=(), workers=1)
    points = SkeletonModality(kind="skeleton", edition="own", layout="own", shards=1)
    points.prepare(root, own, clips, tmp_path / "points", workers=1)
    (file,) = (tmp_path / "points").glob("*.npy")
    array = np.load(file)
    file.unlink()
    if kind == "cut":
        np.save(file, array)
        file.write_bytes(file.read_bytes()[:-40])
    elif kind == "short":
        np.save(file, array[:-3])
    says = {"gone": "is missing", "cut": "cannot be read", "short": "length differs from manifest"}
    reader = SkeletonReader(tmp_path / "points", clips)
    with pytest.raises(ClipUnreadable, match=f"{says[kind]}.*Run 'dvc repro -f prepare'"):
        _ = [reader.read(clip.clip_id) for clip in clips]
