"""Keypoints that people give: of what may be pixels, of OpenPose's own files, and of predict."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.archives.folder import describe
from benchmark.archives.keypoints import Sheets, check_points, doubt_about
from benchmark.archives.openpose import read_openpose
from benchmark.archives.raw_files import RawFile
from benchmark.archives.sheet import count_rows, read_sheet
from benchmark.archives.union import open_archive
from benchmark.core.errors import ArchiveError
from benchmark.core.foreign_file import load_array
from benchmark.core.video import probe, write_video
from benchmark.data_report.findings import findings
from benchmark.data_report.scan import scan_archive
from benchmark.inference.any_video import read_points
from benchmark.synthetic.xlsx import write_xlsx
from conftest import REPO
from own_clips import write_folder
from pipelines.cli.video_inputs import points_of

SIZE = (320, 180)


def person(seed: int = 0, frames: int = 6, points: int = 36) -> np.ndarray:
    """Somebody in the middle of a picture of 320 x 180."""
    rng = np.random.default_rng(seed)
    places = rng.uniform((100, 30), (220, 170), (frames, points, 2))
    return np.dstack([places, rng.uniform(0.2, 1, (frames, points, 1))]).astype(np.float32)


def normalized(points: np.ndarray, low: float) -> np.ndarray:
    changed = points.copy()
    changed[..., :2] = changed[..., :2] / SIZE * (1 - low) + low
    return changed


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_shares_of_the_picture_are_refused(low: float) -> None:
    with pytest.raises(
        ArchiveError, match=r"s\.npy: the keypoints are no pixels; expected x to 320"
    ):
        check_points(normalized(person(), low), SIZE, where="s.npy")


def test_missing_points_do_not_hide_shares_and_a_tiny_picture_has_small_pixels() -> None:
    points = normalized(person(), 0.0)
    points[2:, :, :] = 0
    with pytest.raises(ArchiveError, match="no pixels"):
        check_points(points, SIZE, where="s.npy")
    check_points(points, (2, 2), where="s.npy")
    check_points(np.zeros((4, 5, 3), np.float32), SIZE, where="s.npy")
    check_points(np.zeros((0, 5, 3), np.float32), SIZE, where="s.npy")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: p, ""),
        (lambda p: p * (0.99, 1.05, 1), ""),
        (lambda p: p * (4, 4, 1), "outside of the picture: pixels of a larger picture"),
        (lambda p: p[..., [1, 0, 2]], "x and y exchanged"),
        (lambda p: p * (0.25, 0.25, 1), "upper left quarter"),
        (lambda p: p * 0, ""),
    ],
)
def test_what_is_only_likely_is_a_doubt(change, says: str) -> None:
    # Tall in a wide picture: standing, so that exchanged axes leave the picture.
    points = person()
    points[..., 0] = 200 + (points[..., 0] - 100) * 0.9
    doubt = doubt_about([change(points).astype(np.float32)], SIZE)
    assert says in doubt
    assert bool(says) == bool(doubt)


@pytest.mark.parametrize("highest", [1.0, 1.06, 1.4])
def test_confidences_of_openpose_are_taken_as_they_are(highest: float, tmp_path: Path) -> None:
    points = person(points=137)
    points[2, 3, 2] = highest
    check_points(points, SIZE, where="s.npy")
    np.save(tmp_path / "s.npy", points)
    write_xlsx(tmp_path / "s.xlsx", points.reshape(len(points), -1))
    for name in ("s.npy", "s.xlsx"):
        assert read_points(tmp_path / name)[2, 3, 2] == pytest.approx(highest)


@pytest.mark.parametrize("wrong", [-0.1, 2.5, 100])
def test_numbers_that_are_no_confidences_are_refused(wrong: float) -> None:
    points = person()
    points[1, 2, 2] = wrong
    with pytest.raises(ArchiveError, match="no confidences in the third column"):
        check_points(points, SIZE, where="s.npy")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("v") / "talk.mp4"
    write_video(
        path, [np.full((180, 320, 3), 20 * k, np.uint8) for k in range(6)], 10, crf=9, gop=6
    )
    return path


def test_predict_names_the_file_the_frame_and_the_point(video: Path, tmp_path: Path) -> None:
    points = person()
    points[5, 3, 0] = np.nan
    np.save(tmp_path / "nan.npy", points)
    np.save(tmp_path / "share.npy", normalized(person(), 0))
    no_models = {"pose": None, "hands": None, "face": None}
    with pytest.raises(ArchiveError, match=r"nan\.npy: frame 5, point 3 is not finite$"):
        points_of(video, probe(video), skeleton=tmp_path / "nan.npy", **no_models)
    with pytest.raises(ArchiveError, match=r"share\.npy: the keypoints are no pixels"):
        points_of(video, probe(video), skeleton=tmp_path / "share.npy", **no_models)


def test_predict_says_loudly_what_is_only_likely(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "large.npy", person() * np.float32([4, 4, 1]))
    points_of(
        video, probe(video), skeleton=tmp_path / "large.npy", pose=None, hands=None, face=None
    )
    assert "KEYPOINTS MAY NOT BE PIXELS" in capsys.readouterr().err


def scanned(root: Path) -> list[tuple[str, str]]:
    edition = describe("own", root)
    clips = open_archive(root, edition).read(excluded=(), workers=1)
    scan = scan_archive(root, edition, clips, workers=1)
    return [(finding.level, finding.text) for finding in findings(scan)]


def test_data_check_names_keypoints_that_are_no_pixels(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own")
    assert not any("PIXELS" in text or "no pixels" in text for _, text in scanned(root))
    for file in (root / "skeletons").glob("train0-*.npy"):
        points = np.load(file)
        np.save(file, points / np.float32([90, 66, 1]))
    for file in (root / "skeletons").glob("val0-*.npy"):
        np.save(file, np.load(file) * np.float32([8, 8, 1]))
    told = scanned(root)
    faults = [text for level, text in told if level == "fault"]
    assert len(faults) == 1, "one message per video"
    assert "train0-0.npy: the keypoints are no pixels" in faults[0]
    assert any(level == "note" and "PIXELS of 1 videos, the first videos/val0" in text
               for level, text in told)  # fmt: skip


def write_json(folder: Path, points: np.ndarray, *, first: int = 0, people: int = 1) -> Path:
    """Write OpenPose's JSON, one file per frame; a frame whose points are all 0 has nobody."""
    folder.mkdir(exist_ok=True)
    cuts = {"pose": (0, 25), "face": (25, 95), "hand_left": (95, 116), "hand_right": (116, 137)}
    for number, row in enumerate(points, first):
        one = {f"{part}_keypoints_2d": row[a:b].ravel().tolist() for part, (a, b) in cuts.items()}
        content = {"version": 1.3, "people": [one] * people if row.any() else []}
        (folder / f"talk_{number:012d}_keypoints.json").write_text(json.dumps(content), "utf-8")
    return folder


def test_a_folder_of_openposes_json_is_read(tmp_path: Path) -> None:
    points = person(points=137)
    points[3] = 0
    folder = write_json(tmp_path / "json", points)
    np.testing.assert_allclose(read_points(folder), points, rtol=1e-6)
    bare = json.loads((folder / "talk_000000000001_keypoints.json").read_text("utf-8"))
    bare["people"][0]["face_keypoints_2d"] = []  # OpenPose without --face
    (folder / "talk_000000000001_keypoints.json").write_text(json.dumps(bare), "utf-8")
    assert not read_points(folder)[1, 25:95].any()


def test_a_folder_that_would_shift_the_frames_is_refused(tmp_path: Path) -> None:
    points = person(points=137)
    folder = write_json(tmp_path / "gap", points)
    (folder / "talk_000000000002_keypoints.json").unlink()
    with pytest.raises(ArchiveError, match="no frame follows talk_000000000001_keypoints.json"):
        read_openpose(folder)
    with pytest.raises(ArchiveError, match="more than one person; expected one; found 2"):
        read_openpose(write_json(tmp_path / "two", points, people=2))
    (tmp_path / "none").mkdir()
    with pytest.raises(ArchiveError, match="no keypoints in it"):
        read_openpose(tmp_path / "none")
    # 137 points in all, but not where ours are.
    moved = {"pose_keypoints_2d": [1] * 78, "face_keypoints_2d": [1] * 207}
    for name, text in (
        ("page", "<html>"),
        ("other", '{"people": [{"pose_keypoints_2d": [1, 2]}]}'),
        ("deep", "[" * 100_000),
        ("large", '{"people": [{"pose_keypoints_2d": [1' + "0" * 400 + ", 1, 1]}]}"),
        ("parts", json.dumps({"people": [moved]})),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a_0_keypoints.json").write_text(text, "utf-8")
        with pytest.raises(ArchiveError, match="a_0_keypoints.json: (not OpenPose|another number)"):
            read_openpose(tmp_path / name)


AFTER_A_VIDEO = """
import sys
from pathlib import Path
from benchmark.archives.openpose import read_openpose
from benchmark.core.video import read_frames
for _ in range(10):
    list(read_frames(Path(sys.argv[1])))
    read_openpose(Path(sys.argv[2]))
"""


def test_a_sheet_is_read_after_a_video(video: Path, tmp_path: Path) -> None:
    write_xlsx(tmp_path / "s.xlsx", person(points=137).reshape(6, -1))
    # In its own process, which a wait without end would stop: a fork frees no frame.
    subprocess.run(
        [sys.executable, "-c", AFTER_A_VIDEO, str(video), str(tmp_path / "s.xlsx")], cwd=REPO,
        check=True, timeout=100,
    )  # fmt: skip


HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 3), }"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 79))
def test_an_array_with_any_damaged_header_is_refused_by_name(odd: bytes, at: int) -> None:
    """NumPy reads the header as Python text, which can fail in the ways of Python's own parser."""
    data = bytearray(b"\x93NUMPY\x01\x00\x76\x00" + HEADER.ljust(117) + b"\n" + b"\0" * 72)
    data[10 + at : 10 + at + len(odd)] = odd
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s.npy"
        path.write_bytes(data)
        with suppress(ValueError):
            load_array(path)
        with suppress(ArchiveError):
            read_points(path)


@pytest.mark.parametrize(
    ("header", "says"), [(b"{(", "EOF"), (HEADER.replace(b"'f", b"b'f"), "not supported")]
)
def test_a_header_that_is_none_is_named(header: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "s.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + header.ljust(117) + b"\n")
    with pytest.raises(ValueError, match=says):
        load_array(path)
    with pytest.raises(ArchiveError, match=r"s\.npy: not a skeleton"):
        read_points(path)


def test_a_point_far_outside_of_any_picture_is_refused() -> None:
    points = person()
    points[2, 5, 0] = 4e9
    with pytest.raises(ArchiveError, match=r"far outside .*320 x 180; found 4e\+09"):
        check_points(points, SIZE, where="s.npy")
    points[2, 5, 2] = 0  # not seen: its place means nothing
    check_points(points, SIZE, where="s.npy")


@pytest.mark.parametrize("rows", [1, 7, 3000])
def test_rows_of_a_sheet_are_counted_as_they_are_read_without_reading_them(
    tmp_path: Path, rows: int
) -> None:
    ours, foreign = tmp_path / "a.xlsx", tmp_path / "b.xlsx"
    width = 3 * 137 if rows > 7 else 4  # the largest spans several parts
    write_xlsx(ours, np.full((rows, width), 12.3456))
    book = openpyxl.Workbook()
    for k in range(rows):
        book.active.append([k, 0.5] if k != 2 else [None])  # a blank row in the middle
    book.active.cell(rows + 5, 1).font = openpyxl.styles.Font(bold=True)  # styled, but empty
    book.save(foreign)
    for path in (ours, foreign):
        assert count_rows(path) == len(read_sheet(path, do="")) == rows
    assert Sheets({"v": RawFile(foreign)}).num_rows("v") == rows, (
        "although it is no sheet of points"
    )


def test_a_workbook_whose_tags_do_not_tell_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append([1])
    book.create_sheet("other")
    book.save(tmp_path / "two.xlsx")
    (tmp_path / "no.xlsx").write_bytes(b"PK")
    for name, said in (("two.xlsx", "wrong width"), ("no.xlsx", "not a readable xlsx")):
        assert count_rows(tmp_path / name) is None
        with pytest.raises(ArchiveError, match=said):
            Sheets({"v": RawFile(tmp_path / name)}).num_rows("v")
