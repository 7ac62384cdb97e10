"""The written archive: iMiGUE's layout, the same bytes whatever happens on the way."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from python_calamine import CalamineWorkbook

from benchmark.core.errors import ArchiveError
from benchmark.core.video import probe
from benchmark.synthetic import archive
from benchmark.synthetic.archive import write_archive
from benchmark.synthetic.spec import GesturesSpec
from benchmark.synthetic.xlsx import write_xlsx

pytestmark = pytest.mark.slow

_SPEC = GesturesSpec(
    seed=3, train_clips=3, val_clips=1, test_clips=2, train_people=2, val_people=1, test_people=1,
    width=160, height=90, fps=25, crf=28, cast="everyone",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("mimic")
    write_archive(_SPEC, root / "raw", root / "test_labels", workers=1)
    return root


def _bytes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_layout_is_exactly_imigues(made):
    files = set(_bytes(made / "raw"))
    train, phase1 = "imigue_skeleton_train", "imigue_data_phase1/datasets"
    assert files == {
        f"{phase1}/{train}/0101/0101_openpose.xlsx",
        f"{phase1}/{train}/0101/0101_label.csv",
        f"{phase1}/{train}/0102/0102_openpose.xlsx",
        f"{phase1}/{train}/0102/0102_label.csv",
        f"{phase1}/imigue_skeleton_validate/0001/0001_openpose.xlsx",
        f"{phase1}/imigue_skeleton_validate/0001/0001_label.csv",
        "imigue_rgb_phase1/train_data/0101/0101.mp4",
        "imigue_rgb_phase1/train_data/0102/0102.mp4",
        "imigue_rgb_phase1/validation_data/0001/0001.mp4",
        "imigue_data_phase2/imigue_skeleton_test/1001/1001_openpose.xlsx",
        "imigue_data_phase2/imigue_skeleton_test/1001/1001_label.csv",
        "imigue_rgb_phase2/1001/1001.mp4",
    }


def _sheet(made: Path) -> Path:
    return made / "raw/imigue_data_phase2/imigue_skeleton_test/1001/1001_openpose.xlsx"


def test_the_sheet_has_a_row_of_411_numbers_for_each_frame(made):
    table = np.array(CalamineWorkbook.from_path(_sheet(made)).get_sheet_by_index(0).to_python())
    info = probe(made / "raw/imigue_rgb_phase2/1001/1001.mp4")
    assert table.shape == (info.frames, 411)
    assert (info.width, info.height, info.fps) == (160, 90, 25.0)


def test_two_readers_see_the_same_numbers_as_were_written(tmp_path):
    table = np.round(np.random.default_rng(0).uniform(0, 2000, (5, 411)), 3)
    table[2, 3:9] = 0
    path = tmp_path / "t.xlsx"
    write_xlsx(path, table)
    book = openpyxl.load_workbook(path, read_only=True)
    slow = np.array([[c.value for c in row] for row in book.worksheets[0].iter_rows()], float)
    fast = np.array(CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python())
    assert len(book.worksheets) == 1
    assert np.array_equal(slow, table)
    assert np.array_equal(fast, table)


def _rows(path: Path) -> list[list[int]]:
    return [[int(cell) for cell in line.split(",")] for line in path.read_text().splitlines()]


def test_labels_are_raw_classes_and_those_of_test_are_apart(made):
    skeletons = made / "raw/imigue_data_phase1/datasets/imigue_skeleton_train"
    rows = [row for path in skeletons.rglob("*.csv") for row in _rows(path)]
    assert len(rows) == 3
    assert all(1 <= label <= 31 or label == 99 for label, _, _ in rows)
    blind = _rows(_sheet(made).with_name("1001_label.csv"))
    assert [label for label, _, _ in blind] == [1, 1]
    answers = (made / "test_labels/test_labels.csv").read_text().splitlines()
    assert answers[0] == "clip_id,label"
    assert [line.split(",")[0] for line in answers[1:]] == ["1001_0", "1001_1"]
    assert all(0 <= int(line.split(",")[1]) <= 31 for line in answers[1:])


def test_bytes_do_not_depend_on_the_number_of_workers(made, tmp_path):
    write_archive(_SPEC, tmp_path / "raw", tmp_path / "test_labels", workers=2)
    assert _bytes(tmp_path) == _bytes(made)


def test_a_killed_run_goes_on_to_the_same_bytes(made, tmp_path, monkeypatch):
    write = archive.write_xlsx
    calls = []

    def killed(path, table):
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(path, table)

    monkeypatch.setattr(archive, "write_xlsx", killed)
    with pytest.raises(KeyboardInterrupt):
        write_archive(_SPEC, tmp_path / "raw", tmp_path / "test_labels", workers=1)
    assert not (tmp_path / "raw").exists()
    assert len(list((tmp_path / ".raw.work/archive").glob("**/*.xlsx"))) == 1
    write_archive(_SPEC, tmp_path / "raw", tmp_path / "test_labels", workers=1)
    assert len(calls) == 2 + 3
    assert _bytes(tmp_path) == _bytes(made)


def test_unfinished_videos_of_another_seed_are_not_taken_over(made, tmp_path, monkeypatch):
    def killed(path, table):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(archive, "_write_test_labels", killed)
        other = _SPEC.model_copy(update={"seed": 4})
        with pytest.raises(KeyboardInterrupt):
            write_archive(other, tmp_path / "raw", tmp_path / "test_labels", workers=1)
    write_archive(_SPEC, tmp_path / "raw", tmp_path / "test_labels", workers=1)
    assert _bytes(tmp_path) == _bytes(made)


def test_what_is_there_already_is_not_overwritten(tmp_path):
    (tmp_path / "raw/imigue_rgb_phase1/train_data").mkdir(parents=True)
    with pytest.raises(ArchiveError, match="the generator overwrites nothing"):
        write_archive(_SPEC, tmp_path / "raw", tmp_path / "test_labels", workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_the_package_imports_no_torch():
    sources = Path(archive.__file__).parent.rglob("*.py")
    assert not [path for path in sources if "import torch" in path.read_text()]
