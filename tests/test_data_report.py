"""The data report says what is in the archive, and nothing of it is hidden."""

from __future__ import annotations

import csv
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips, check_subjects
from benchmark.core.errors import ArchiveError
from benchmark.data_report.findings import findings
from benchmark.data_report.page import (
    PAGE,
    SHEET,
    SUMMARY,
    SURE,
    TABLE,
    metrics,
    sample_picture,
    write_report,
)
from benchmark.data_report.scan import ArchiveScan, scan_archive
from benchmark.editions.edition import read_edition
from benchmark.synthetic.xlsx import write_xlsx
from conftest import REPO, mgbench
from own_clips import write_folder
from tiny_archive import (
    FRAMES,
    HEIGHT,
    LABELS,
    VIDEOS,
    WIDTH,
    frames_of,
    keypoints_of,
    write_archive,
)

pytestmark = pytest.mark.slow

MIMIC = read_edition("mimic")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("raw"))


def take(root: Path, workers: int = 1) -> ArchiveScan:
    clips = open_archive(root, MIMIC).read(excluded=(), workers=1)
    return scan_archive(root, MIMIC, clips, workers=workers)


@pytest.fixture(scope="module")
def scan(raw: Path) -> ArchiveScan:
    return take(raw)


def texts(scan: ArchiveScan, level: str) -> list[str]:
    return [finding.text for finding in findings(scan) if finding.level == level]


def test_every_video_is_counted_from_its_files(scan: ArchiveScan) -> None:
    assert [video.video for video in scan.videos] == sorted(
        VIDEOS, key=lambda video: (["train", "val", "test"].index(VIDEOS[video]), video)
    )
    for video in scan.videos:
        assert (video.clips, video.sheet_rows) == (len(LABELS), FRAMES)
        assert video.info == (WIDTH, HEIGHT, 25.0, FRAMES)


def test_missing_points_are_those_of_confidence_zero(scan: ArchiveScan) -> None:
    assert scan.layout is not None
    unseen = scan.unseen()
    assert unseen[scan.layout.names.index("right elbow")] == 1, "point 3 of the tiny archive"
    assert unseen.sum() == 1
    assert len(scan.gaps) == len(scan.clips)
    assert all(missing == pytest.approx(1 / 36) for missing in scan.gaps.values())


def test_the_scan_does_not_depend_on_the_number_of_workers(raw: Path, scan: ArchiveScan) -> None:
    spread = take(raw, workers=2)
    assert findings(spread) == findings(scan)
    assert spread.gaps == scan.gaps


def test_samples_are_the_frames_that_they_say(scan: ArchiveScan) -> None:
    samples = scan.samples()
    assert [sample.clip.label for sample in samples] == [7, 30, 31]
    for sample in samples:
        number = (sample.clip.start_frame + sample.clip.end_frame) // 2
        wanted = frames_of(sample.clip.video)[number].astype(int)
        assert np.abs(sample.frame - wanted).mean() < 4
        assert sample.points is not None
        sheet = keypoints_of(sample.clip.video).reshape(FRAMES, 137, 3)
        np.testing.assert_allclose(sample.points[0], sheet[number, 0], rtol=1e-5)


def test_seen_points_are_drawn_where_they_are_and_missing_ones_nowhere(scan: ArchiveScan) -> None:
    sample = scan.samples()[0]
    points = np.zeros((36, 3), np.float32)
    points[5] = (48, 32, 0.9)
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture = sample_picture(sample._replace(frame=black, points=points), scan.layout)
    drawn = np.argwhere(picture.any(-1))
    scale = 300 / HEIGHT
    assert np.abs(drawn.mean(0) - [32 * scale, 48 * scale]).max() < 1
    assert tuple(picture[round(32 * scale), round(48 * scale)]) == SURE


def test_a_sheet_longer_than_its_video_is_a_note_with_the_numbers(
    raw: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    longer = np.concatenate([keypoints_of("0012"), keypoints_of("0012")[:3]])
    write_xlsx(next(copy.rglob("0012_openpose.xlsx")), longer)
    assert (
        "1 of 7 sheets have another number of rows than their video has frames; worst 0012: "
        f"{FRAMES + 3} rows, {FRAMES} frames" in texts(take(copy), "note")
    )


def test_every_damaged_sheet_and_video_is_a_fault(raw: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    write_xlsx(next(copy.rglob("0101_openpose.xlsx")), keypoints_of("0101")[:30])
    write_xlsx(next(copy.rglob("0102_openpose.xlsx")), keypoints_of("0101")[:, :410])
    faults = texts(take(copy), "fault")
    assert len(faults) == 2
    assert "0101_openpose.xlsx: shorter than its clips" in faults[0]
    assert "0102_openpose.xlsx: wrong width" in faults[1]


def test_excluded_videos_are_told(raw: Path) -> None:
    clips = open_archive(raw, MIMIC).read(excluded=("0012",), workers=1)
    found = texts(scan_archive(raw, MIMIC, clips, workers=1), "note")
    assert "excluded as asked: 3 clips of 0012" in found


def test_a_class_without_a_clip_is_a_note(scan: ArchiveScan) -> None:
    assert "val: 29 classes have no clip" in texts(scan, "note")


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.cells = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for key, value in attrs if key in {"src", "href"}]
        self.cells += tag == "td"


def test_the_page_needs_nothing_beside_it_and_says_what_the_data_are(
    scan: ArchiveScan, tmp_path: Path
) -> None:
    write_report(scan, tmp_path / "report")
    text = (tmp_path / "report" / PAGE).read_text("utf-8")
    page = Page()
    page.feed(text)
    assert len(page.sources) == 3, "three classes with a training clip"
    assert text.count("<svg ") == 3, "three figures, in the ink of the page"
    assert all(source.startswith("data:image/") for source in page.sources)
    assert "never comparable with published results" in text
    assert all(finding.text.split(":")[0] in text for finding in findings(scan))


def test_the_table_and_the_summary_hold_every_video_and_finding(
    scan: ArchiveScan, tmp_path: Path
) -> None:
    write_report(scan, tmp_path / "report")
    with (tmp_path / "report" / TABLE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == [video.video for video in scan.videos]
    assert rows[0]["missing_points"] == "2.8"
    found = json.loads((tmp_path / "report" / SUMMARY).read_text("utf-8"))
    assert len(found["findings"]) == len(findings(scan))
    assert found["splits"]["val"]["clips"] == 6
    assert (tmp_path / "report" / SHEET).stat().st_size > 10_000
    assert metrics(scan)["missing_points"] == pytest.approx(100 / 36)


def test_names_from_the_data_cannot_run_in_the_page(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own")
    evil = "<script>alert(1)</script>"
    for name in ("classes.txt", "clips.csv"):
        path = root / name
        path.write_text(path.read_text("utf-8").replace("wave", evil), "utf-8")
    own = describe("own", root)
    clips = open_archive(root, own).read(excluded=(), workers=1)
    write_report(scan_archive(root, own, clips, workers=1), tmp_path / "report")
    assert evil not in (tmp_path / "report" / PAGE).read_text("utf-8")


def test_an_archive_without_skeletons_is_scanned_too(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own")
    (root / "skeleton.yaml").unlink()
    shutil.rmtree(root / "skeletons")
    own = describe("own", root)
    clips = open_archive(root, own).read(excluded=(), workers=1)
    scan = scan_archive(root, own, clips, workers=1)
    assert "the archive contains no skeletons" in texts(scan, "note")
    write_report(scan, tmp_path / "report")
    assert "Missing points" not in (tmp_path / "report" / PAGE).read_text("utf-8")


def test_skeletons_of_no_clip_are_a_note(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own")
    shutil.copy(root / "skeletons/val0-0.npy", root / "skeletons/val9-9.npy")
    own = describe("own", root)
    clips = open_archive(root, own).read(excluded=(), workers=1)
    found = texts(scan_archive(root, own, clips, workers=1), "note")
    assert "1 skeletons belong to no clip, the first: val9-9" in found


def test_subjects_in_two_splits_are_a_note(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own")
    own = describe("own", root)
    clips = open_archive(root, own).read(excluded=(), workers=1)
    assert "no person is in two splits" in texts(scan_archive(root, own, clips, workers=1), "ok")
    text = (root / "clips.csv").read_text("utf-8").replace(",s6\n", ",s0\n")
    (root / "clips.csv").write_text(text, "utf-8")
    clips: Clips = open_archive(root, own).read(excluded=(), workers=1)
    found = texts(scan_archive(root, own, clips, workers=1), "note")
    assert "1 persons are in several splits, the first: s0 (train, val)" in found
    check_subjects(clips, ["s0"])
    with pytest.raises(
        ArchiveError, match="1 persons are in several splits; found s0 in train and"
    ):
        check_subjects(clips, ["s1"])


def test_data_check_says_what_it_saw_and_fails_on_damage(raw: Path, tmp_path: Path) -> None:
    done = mgbench(REPO, "data", "check", "mimic", "--raw", str(raw))
    assert done.returncode == 0, done.stderr
    assert "ok    7 sheets have one row per decoded frame" in done.stdout
    assert "ok    train: 3 videos, 9 clips" in done.stdout
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    write_xlsx(next(copy.rglob("0101_openpose.xlsx")), keypoints_of("0101")[:30])
    done = mgbench(REPO, "data", "check", "mimic", "--raw", str(copy))
    assert done.returncode == 2
    assert "FAULT" in done.stdout
    assert "0101_openpose.xlsx: shorter than its clips" in done.stdout


def test_data_check_names_everything_that_keeps_it_from_being_indexed(
    raw: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    next(copy.rglob("0012_label.csv")).write_text("8,0,5\nx,1,2\n8,9\n", "utf-8")
    next(copy.rglob("0101.mp4")).write_bytes(b"nothing")
    done = mgbench(REPO, "data", "check", "mimic", "--raw", str(copy))
    assert done.returncode == 2
    assert "raw: 3 faults\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_check_of_a_folder_that_is_not_there_says_where_to_put_it(tmp_path: Path) -> None:
    done = mgbench(tmp_path, "data", "check", "imigue")
    assert done.returncode == 2
    assert "data/raw/imigue: no such folder. Put or link the archives there" in done.stderr
