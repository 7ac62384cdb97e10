"""Nothing that a leaderboard refuses gets past the check, and each fault is named with its line."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

import pytest

from benchmark.challenges.challenge import read_challenge
from benchmark.core.errors import SubmissionError
from submission.leaderboard.checks import check_submission
from submissions import IDS, MIMIC

if TYPE_CHECKING:
    from pathlib import Path

GOOD = b"Id,Target\n0201_3,1\n0201_11,2\n0200_7,31\n"

LOST = [", line 3: not a clip id and its label(s)", ": 1 clip(s) missing, the first is 0201_11"]

BAD = {
    "empty file": (b"", [": the file is empty"]),
    "header": (
        GOOD.replace(b"Id,Target", b"id,target"),
        [", line 1: wrong header; found 'id,target'. Let the first line be Id,Target"],
    ),
    "no header": (GOOD[10:], [", line 1: the header is missing; found '0201_3,1'"]),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD, [": starts with a byte order mark. Save it as"]),
    "UTF-16": (GOOD.decode().encode("utf-16"), [": UTF-16; expected UTF-8. Save it as"]),
    "carriage return": (GOOD.replace(b",2\n", b",2\r"), [", line 3: a carriage return alone"]),
    "not UTF-8": (GOOD.replace(b"0200_7", b"0200_\xff"), [", line 4: not UTF-8. Save it as"]),
    "cut off": (GOOD[:-2], [", line 4: the last line has no end. See that its label is whole"]),
    "blank line": (GOOD + b"\n", [", line 5: not a clip id and its label(s); expected 2 cells"]),
    "extra column": (GOOD.replace(b",2\n", b",2,0.9\n"), LOST),
    "no label": (GOOD.replace(b",2\n", b"\n"), LOST),
    "no id": (GOOD.replace(b"0201_11", b""), LOST),
    "float": (
        GOOD.replace(b",2\n", b",2.0\n"),
        [
            ", line 3: the label is no integer; expected an integer from 0 to 31; "
            "found '0201_11,2.0'"
        ],
    ),
    "space": (GOOD.replace(b",2\n", b", 2\n"), [", line 3: the label is no integer"]),
    "leading zero": (GOOD.replace(b",2\n", b",02\n"), [", line 3: the label is no integer"]),
    "negative": (GOOD.replace(b",2\n", b",-2\n"), [", line 3: the label is no integer"]),
    "foreign digits": (GOOD.replace(b",2\n", ",٢\n".encode()), [", line 3: the label is no int"]),
    "too large": (
        GOOD.replace(b",31\n", b",32\n"),
        [", line 4: the label is out of range; expected an integer from 0 to 31"],
    ),
    "duplicate": (
        GOOD + b"0201_3,1\n",
        [", line 5: 1 clip(s) come twice, the first is 0201_3; found before on line 2"],
    ),
    "foreign id": (
        GOOD.replace(b"0201_11", b"0201_12"),
        [", line 3: 1 unknown clip(s), the first is 0201_12", ": 1 clip(s) missing, the first is"],
    ),
    "file names": (
        re.sub(rb"(_\d+),", rb"\1.mp4,", GOOD),
        [", line 2: 3 unknown clip(s)", "Remove the file ending", ": 3 clip(s) missing"],
    ),
    "zeros lost": (
        GOOD.replace(b"\n0", b"\n"),
        [", line 2: 3 unknown clip(s)", "Keep the zeros at the start", ": 3 clip(s) missing"],
    ),
    "quotes": (
        GOOD.replace(b"0200_7", b'"0200_7"'),
        [", line 4: 1 unknown clip(s)", "Remove the quotes", ": 1 clip(s) missing"],
    ),
    "one too many": (GOOD + b"0200_8,1\n", [", line 5: 1 unknown clip(s), the first is 0200_8"]),
    "one too few": (
        GOOD.replace(b"0201_11,2\n", b""),
        [": 1 clip(s) missing, the first is 0201_11; expected 3 clips; found 2"],
    ),
    "header alone": (b"Id,Target\n", [": 3 clip(s) missing, the first is 0201_3; expected 3"]),
    "order": (
        b"Id,Target\n0201_11,2\n0201_3,1\n0200_7,31\n",
        [", line 2: not in the challenge's order (2 line(s)); expected 0201_3; found 0201_11"],
    ),
    "many at once": (
        b"\xef\xbb\xbfid,label\n0201_3,x\n0201_3,99\n",
        [": starts with a byte order mark", ", line 1: wrong header", ", line 2: the label is no",
         ", line 3: the label is out of range", ", line 3: 1 clip(s) come twice",
         ": 2 clip(s) missing"],
    ),
    "each line": (
        GOOD.replace(b",1\n", b",1.0\n").replace(b",2\n", b",2.0\n"),
        [", line 2: the label is no integer (and on 1 more line(s))"],
    ),
}  # fmt: skip


def refused(path: Path, ids: tuple[str, ...] = IDS, name: str = "mimic") -> str:
    challenge = read_challenge(name)
    with pytest.raises(SubmissionError) as error:
        check_submission(path, ids, challenge)
    return str(error.value)


@pytest.mark.parametrize("fault", BAD)
def test_the_check_names_each_fault(fault: str, tmp_path: Path) -> None:
    data, messages = BAD[fault]
    path = tmp_path / "prediction.csv"
    path.write_bytes(data)
    said = refused(path).splitlines()
    whole = [part for part in messages if part.startswith((":", ","))]
    count = len(whole) or len(messages)
    assert said[0] == f"{path}: {count} fault{'s' * (count > 1)}"
    assert len(said) == 1 + count, "no fault but these"
    for message in messages:
        start = f"prediction.csv{message}" if message in whole else message
        assert any(start in line for line in said[1:]), message


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_the_check_takes_the_good_file_that_the_bad_ones_are_made_of(
    ends: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "prediction.csv"
    path.write_bytes(GOOD.replace(b"\n", ends))
    check_submission(path, IDS, MIMIC)
    path.write_bytes(GOOD[10:])
    form = read_challenge("miga2023").form
    check_submission(path, IDS, MIMIC.model_copy(update={"form": form}))


def test_labels_are_counted_from_the_base(tmp_path: Path) -> None:
    path = tmp_path / "prediction.csv"
    path.write_bytes(b"Id,Target\n0201_3,1\n0201_11,32\n0200_7,0\n")
    form = MIMIC.form.model_copy(update={"label_base": 1})
    with pytest.raises(SubmissionError) as error:
        check_submission(path, IDS, MIMIC.model_copy(update={"form": form}))
    assert "line 4: the label is out of range; expected an integer from 1 to 32" in str(error.value)
    assert "Number the classes from 1 on" in str(error.value)


def test_a_header_where_none_is_wanted_is_named(tmp_path: Path) -> None:
    path = tmp_path / "Submission.csv"
    path.write_bytes(GOOD)
    assert "Submission.csv, line 1: a header; found 'Id,Target'. Leave it out" in refused(
        path, name="miga2023"
    )


RANKS = "{},3,4,5,6,7,0,0,1,1,1\n"
RANKED = (
    ",".join(read_challenge("mac2025").form.header or ()) + "\n"
    + "".join(RANKS.format(f"{clip}.mp4") for clip in IDS)
)  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0201_11.mp4,3,4", "0201_11.mp4,3,3", "line 3: a class stands at two ranks"),
        ("0200_7.mp4,3", "0200_7.mp4,52", "line 4: the label of column 2 is out of range"),
        ("1,1,1\n", "1,1,7\n", "line 2: the label of column 11 is out of range (and on 2 more"),
        ("0200_7.mp4", "0200_7", "Put .mp4 after each"),
    ],
)
def test_five_ranks_of_actions_and_body_parts_are_checked(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "prediction.csv"
    path.write_text(RANKED, "utf-8")
    challenge = read_challenge("mac2025")
    check_submission(path, IDS, challenge)
    path.write_text(RANKED.replace(old, new), "utf-8")
    assert message in refused(path, name="mac2025")


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


ZIPS = {
    "in a folder": ({"out/prediction.csv": GOOD}, "prediction.csv lies in a folder"),
    "another name": ({"predictions.csv": GOOD}, "not prediction.csv alone"),
    "more than it": ({"prediction.csv": GOOD, "readme.txt": b""}, "not prediction.csv alone"),
    "of a Mac": (
        {"prediction.csv": GOOD, "__MACOSX/._prediction.csv": b""}, "not prediction.csv alone",
    ),
    "empty": ({}, "not prediction.csv alone; expected prediction.csv; found nothing"),
}  # fmt: skip


@pytest.mark.parametrize("fault", ZIPS)
def test_a_zip_that_is_packed_wrongly_is_named(fault: str, tmp_path: Path) -> None:
    members, message = ZIPS[fault]
    said = refused(zipped(tmp_path / "mine.zip", members))
    assert f"mine.zip: {message}" in said
    assert "zip -j prediction.zip prediction.csv" in said


def test_faults_inside_a_zip_are_named_too(tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", {"x/prediction.csv": GOOD.replace(b",2\n", b",99\n")})
    said = refused(path).splitlines()
    assert said[0].endswith("2 faults")
    assert said[2].strip().startswith("mine.zip/prediction.csv, line 3: the label is out of range")


def test_a_broken_zip_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "mine.zip", {"prediction.csv": GOOD})
    path.write_bytes(path.read_bytes()[:-30])
    assert "mine.zip: not a whole zip" in refused(path)


def test_a_zip_with_a_damaged_member_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("prediction.csv", GOOD * 50)
    data = bytearray(path.read_bytes())
    data[50:60] = b"\xff" * 10
    path.write_bytes(data)
    assert "mine.zip: not a whole zip" in refused(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "mine.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("prediction.csv", bytes(65 * 2**20))
    assert "mine.zip: unpacks to far too much" in refused(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "prediction.csv")
