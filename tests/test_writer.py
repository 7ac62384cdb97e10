"""The leaderboard's file: right to the byte, and nothing wrong gets past the check."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import a_clip
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.clips import Clips
from benchmark.editions import Edition, SubmissionForm, read_edition
from benchmark.errors import MismatchError, SubmissionError
from benchmark.predictions import Probabilities
from submission.writer import check_submission, write_submission

GOLDEN = Path(__file__).parent / "golden"

PROPERTY = settings(max_examples=30, deadline=None, derandomize=True)
MIMIC = read_edition("mimic")
IDS = ("0201_3", "0201_11", "0200_7")
"""In no sorted order: the edition's order counts."""
FORM_2023 = SubmissionForm(file="Submission.csv", header=None, label_base=0)
FORM_ONE = SubmissionForm(file="prediction.csv", header=("vid", "label"), label_base=1)


def sure(ids: tuple[str, ...], answers: list[int]) -> Probabilities:
    """Probabilities that answer `answers`."""
    p = np.full((len(ids), 32), 0.01, np.float32)
    p[np.arange(len(ids)), answers] = 0.69
    return Probabilities("mimic", "test", "joint", MIMIC.classes, ids, p)


def index(ids: tuple[str, ...], left_out: tuple[str, ...] = ()) -> Clips:
    """These test clips, and training clips of which class 5 is the most frequent."""
    train = [a_clip(f"0001_{k}", label=label) for k, label in enumerate((2, 5, 5, 7))]
    test = [a_clip(i, split="test", label=None, left_out=i in left_out) for i in ids]
    return Clips("mimic", (*train, *test))


def edition(form: SubmissionForm) -> Edition:
    return MIMIC.model_copy(update={"submission": form})


def test_submission_of_mimic_equals_the_golden_file(tmp_path: Path) -> None:
    path = write_submission(sure(IDS[::-1], [31, 0, 12]), index(IDS), MIMIC, tmp_path / "joint")
    assert path == tmp_path / "joint" / "prediction.csv"
    assert path.read_bytes() == (GOLDEN / "prediction-mimic.csv").read_bytes()


def test_zip_holds_the_csv_alone_and_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    one = write_submission(sure(IDS, [1, 2, 3]), index(IDS), MIMIC, tmp_path / "one")
    two = write_submission(sure(IDS, [1, 2, 3]), index(IDS), MIMIC, tmp_path / "two")
    archive = one.with_suffix(".zip")
    assert sorted(path.name for path in one.parent.iterdir()) == [
        "prediction.csv",
        archive.name,
        "submission.json",
    ]
    with zipfile.ZipFile(archive) as file:
        (member,) = file.infolist()
        assert (member.filename, member.date_time) == ("prediction.csv", (1980, 1, 1, 0, 0, 0))
        assert file.read(member) == one.read_bytes()
    assert archive.read_bytes() == two.with_suffix(".zip").read_bytes()


def test_left_out_clips_are_answered_with_the_most_frequent_class_and_listed(
    tmp_path: Path,
) -> None:
    clips = index(IDS, left_out=("0201_11",))
    path = write_submission(sure((IDS[2], IDS[0]), [1, 2]), clips, MIMIC, tmp_path / "joint")
    assert path.read_text("utf-8").splitlines()[1:] == ["0201_3,2", "0201_11,5", "0200_7,1"]
    note = json.loads((tmp_path / "joint/submission.json").read_text("utf-8"))
    assert (note["left_out"], note["left_out_answer"], note["clips"]) == (["0201_11"], 5, 3)


@pytest.mark.parametrize("form", [MIMIC.submission, FORM_2023, FORM_ONE], ids=lambda f: f.file)
@PROPERTY
@given(answers=st.lists(st.integers(0, 31), min_size=1, max_size=20))
def test_what_is_written_passes_the_check_and_says_the_answers(
    tmp_path_factory: pytest.TempPathFactory, form: SubmissionForm, answers: list[int]
) -> None:
    ids = tuple(f"{index * 7 % 23:04d}_{index}" for index in range(len(answers)))
    folder = tmp_path_factory.mktemp("s") / "joint"
    path = write_submission(sure(ids, answers), index(ids), edition(form), folder)
    check_submission(path, ids, edition(form))
    lines = path.read_text("utf-8").splitlines()
    body = lines if form.header is None else lines[1:]
    assert len(lines) - len(body) == (form.header is not None)
    written = [line.split(",") for line in body]
    assert written == [[c, str(a + form.label_base)] for c, a in zip(ids, answers, strict=True)]


def test_of_equal_probabilities_the_lower_class_is_written(tmp_path: Path) -> None:
    even = replace(sure(IDS, [0, 0, 0]), p=np.full((3, 32), 1 / 32, np.float32))
    path = write_submission(even, index(IDS), MIMIC, tmp_path / "even")
    assert path.read_text("utf-8").splitlines()[1:] == [f"{clip},0" for clip in IDS]


def test_a_refused_submission_leaves_the_last_good_one(tmp_path: Path) -> None:
    path = write_submission(sure(IDS, [1, 2, 3]), index(IDS), MIMIC, tmp_path / "joint")
    good = path.read_bytes()
    bad = ("0201_3", "0201,11", "0200_7")
    with pytest.raises(SubmissionError) as error:
        write_submission(sure(bad, [4, 5, 6]), index(bad), MIMIC, tmp_path / "joint")
    assert str(error.value).startswith(f"{path}, line 3: not two columns")
    assert path.read_bytes() == good
    assert [entry.name for entry in tmp_path.iterdir()] == ["joint"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edition": "miga25"}, "probabilities of joint on test: another edition's"),
        ({"classes": MIMIC.classes[::-1]}, "probabilities of joint on test: the classes are not"),
        ({"split": "val"}, "probabilities of joint on val: not the test split's; expected test"),
        (
            {"clip_id": ("0201_3", "0201_11", "x")},
            "probabilities of joint on test: 1 clip(s) missing, 1 foreign (the first is 0200_7)",
        ),
    ],
)
def test_probabilities_of_something_else_are_refused(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(MismatchError) as error:
        write_submission(
            replace(sure(IDS, [1, 2, 3]), **change), index(IDS), MIMIC, tmp_path / "joint"
        )
    assert str(error.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


GOOD = b"Id,Target\n0201_3,1\n0201_11,2\n0200_7,31\n"

BAD = {
    "empty file": (b"", ": the file is empty"),
    "header": (
        GOOD.replace(b"Id,Target", b"id,target"),
        ", line 1: wrong header; expected 'Id,Target'; found 'id,target'",
    ),
    "no header": (GOOD[10:], ", line 1: wrong header; expected 'Id,Target'; found '0201_3,1'"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, ", line 1: starts with a byte order mark"),
    "carriage return": (GOOD.replace(b",2\n", b",2\r\n"), ", line 3: a carriage return"),
    "not UTF-8": (GOOD.replace(b"0200_7", b"0200_\xff"), ", line 4: not UTF-8"),
    "cut off": (GOOD[:-2], ", line 4: the last line has no end"),
    "blank line": (GOOD + b"\n", ", line 5: not two columns; expected 'clip id,label'; found ''"),
    "extra column": (GOOD.replace(b",2\n", b",2,0.9\n"), ", line 3: not two columns"),
    "no label": (GOOD.replace(b",2\n", b"\n"), ", line 3: not two columns"),
    "no id": (GOOD.replace(b"0201_11", b""), ", line 3: not two columns"),
    "float": (GOOD.replace(b",2\n", b",2.0\n"), ", line 3: the label is no integer; expected 0 to"),
    "space": (GOOD.replace(b",2\n", b", 2\n"), ", line 3: the label is no integer"),
    "leading zero": (GOOD.replace(b",2\n", b",02\n"), ", line 3: the label is no integer"),
    "negative": (GOOD.replace(b",2\n", b",-2\n"), ", line 3: the label is no integer"),
    "foreign digits": (
        GOOD.replace(b",2\n", ",٢\n".encode()),
        ", line 3: the label is no integer; expected 0 to 31; found '٢'",
    ),
    "too large": (
        GOOD.replace(b",31\n", b",32\n"),
        ", line 4: label out of range; expected 0 to 31; found 32",
    ),
    "duplicate": (
        GOOD.replace(b"0200_7", b"0201_3"),
        ", line 4: clip 0201_3 comes twice; found first on line 2",
    ),
    "foreign id": (
        GOOD.replace(b"0201_11", b"0201_12"),
        ", line 3: 1 clip(s) that are not in the test split, the first is 0201_12",
    ),
    "one too many": (GOOD + b"0200_8,1\n", ", line 5: 1 clip(s) that are not in the test split"),
    "one too few": (
        GOOD.replace(b"0201_11,2\n", b""),
        ": 1 clip(s) missing, the first is 0201_11; expected 3 clips; found 2",
    ),
    "header alone": (b"Id,Target\n", ": 3 clip(s) missing, the first is 0201_3; expected 3"),
    "order": (
        b"Id,Target\n0201_11,2\n0201_3,1\n0200_7,31\n",
        ", line 2: not in the edition's order; expected 0201_3; found 0201_11",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_the_check_refuses(fault: str, tmp_path: Path) -> None:
    data, message = BAD[fault]
    path = tmp_path / "prediction.csv"
    path.write_bytes(data)
    with pytest.raises(SubmissionError) as error:
        check_submission(path, IDS, MIMIC)
    assert str(error.value).startswith(f"{path}{message}")


def test_the_check_takes_the_good_file_that_the_bad_ones_are_made_of(tmp_path: Path) -> None:
    path = tmp_path / "prediction.csv"
    path.write_bytes(GOOD)
    check_submission(path, IDS, MIMIC)
    path.write_bytes(GOOD[10:])
    check_submission(path, IDS, edition(FORM_2023))
    assert path.read_bytes() == GOOD[10:]


def test_labels_are_counted_from_the_base_of_the_edition(tmp_path: Path) -> None:
    path = tmp_path / "prediction.csv"
    path.write_bytes(b"vid,label\n0201_3,1\n0201_11,32\n0200_7,0\n")
    with pytest.raises(SubmissionError) as error:
        check_submission(path, IDS, edition(FORM_ONE))
    assert str(error.value) == f"{path}, line 4: label out of range; expected 1 to 32; found 0"


def test_a_header_where_the_edition_wants_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "Submission.csv"
    path.write_bytes(GOOD)
    with pytest.raises(SubmissionError) as error:
        check_submission(path, IDS, edition(FORM_2023))
    assert str(error.value).startswith(f"{path}, line 1: the label is no integer")


def test_a_test_list_with_a_clip_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prediction.csv"
    path.write_bytes(GOOD)
    with pytest.raises(SubmissionError, match=r"^ids of the test split: a clip comes twice"):
        check_submission(path, [*IDS, "0201_3"], MIMIC)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError) as error:
        check_submission(tmp_path / "prediction.csv", IDS, MIMIC)
    assert str(error.value).startswith(f"{tmp_path / 'prediction.csv'}: no such file")
