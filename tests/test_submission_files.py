"""The leaderboard's file: right to the byte, whole or not there, and honest about its origin."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.challenges import challenge as challenges
from benchmark.challenges.challenge import Column, challenge_names, published_ids, read_challenge
from benchmark.core.errors import MismatchError, SubmissionError
from benchmark.editions.edition import FOREIGN, edition_names
from submission.leaderboard.checks import check_submission
from submission.leaderboard.columns import Wanted, wanted_clips
from submission.leaderboard.metadata import METADATA, read_metadata
from submission.leaderboard.writer import write_submission
from submissions import IDS, MADE_OF, MIMIC, edition_of, index, sure

GOLDEN = Path(__file__).parent / "golden"
PROPERTY = settings(max_examples=20, deadline=None, derandomize=True)


def test_submission_of_mimic_equals_the_golden_file(tmp_path: Path) -> None:
    folder = tmp_path / "joint"
    write_submission(sure(IDS[::-1], [31, 0, 12]), Wanted(IDS), MIMIC, MADE_OF, folder)
    golden = (GOLDEN / "prediction-mimic.csv").read_bytes()
    assert (folder / "prediction.csv").read_bytes() == golden


MAC2025 = [
    "vid,action_pred_1,action_pred_2,action_pred_3,action_pred_4,action_pred_5,"
    "body_pred_1,body_pred_2,body_pred_3,body_pred_4,body_pred_5",
    "0201_3.mp4,7,8,9,10,11,1,1,1,1,2",
    "0201_11.mp4,30,31,32,33,34,3,3,4,4,4",
]
LINES = {
    "miga2023": ["0201_3,7", "0201_11,30"],
    "miga2024": ["Id,Target", "0201_3,7", "0201_11,30"],
    "miga2025": ["Id,Target", "0201_3,7", "0201_11,30"],
    "miga2026": ["Id,Target", "0201_3,7", "0201_11,30"],
    "mac2024": ["id,pred_label_1,pred_label_2", "0201_3.mp4,1,7", "0201_11.mp4,3,30"],
    "mac2025": MAC2025,
    "mac2026": MAC2025,
}
"""Labels 7 and 30; of MA-52's classes 5 to 10 are head, 11 to 23 upper limb, 24 to 31 lower."""


@pytest.mark.parametrize("name", LINES)
def test_each_challenge_gets_its_own_form(name: str, tmp_path: Path) -> None:
    challenge = read_challenge(name)
    probabilities = sure(IDS[:2], [7, 30], challenge)
    write_submission(probabilities, Wanted(IDS[:2]), challenge, MADE_OF, tmp_path / "s")
    text = (tmp_path / "s" / challenge.form.file).read_bytes().decode()
    assert text == "".join(f"{line}\n" for line in LINES[name])
    with zipfile.ZipFile(tmp_path / "s" / challenge.form.zip) as archive:
        assert archive.namelist() == [challenge.form.file]


def test_every_challenge_but_editions_has_lines_above() -> None:
    editions = {"imigue", "ma52", "mimic", "mimic_ma52", "smg", "zoo", "zoo_ma52"}
    assert set(challenge_names()) - editions == set(LINES)


@pytest.mark.parametrize("name", challenge_names())
@PROPERTY
@given(labels=st.lists(st.integers(0, 31), min_size=1, max_size=20))
def test_what_is_written_passes_the_check(
    tmp_path_factory: pytest.TempPathFactory, name: str, labels: list[int]
) -> None:
    challenge = read_challenge(name)
    ids = tuple(f"{index * 7 % 23:04d}_{index}" for index in range(len(labels)))
    folder = tmp_path_factory.mktemp("s") / "joint"
    write_submission(sure(ids, labels, challenge), Wanted(ids), challenge, MADE_OF, folder)
    for file in (challenge.form.file, challenge.form.zip):
        check_submission(folder / file, ids, challenge)


@PROPERTY
@given(order=st.permutations(range(3)))
def test_the_order_of_the_probabilities_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("s") / "joint"
    given_ = sure(tuple(IDS[k] for k in order), [[31, 0, 12][k] for k in order])
    write_submission(given_, Wanted(IDS), MIMIC, MADE_OF, folder)
    lines = (folder / "prediction.csv").read_text("utf-8").splitlines()
    assert lines[1:] == ["0201_3,31", "0201_11,0", "0200_7,12"]


def test_zip_holds_the_csv_alone_and_has_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_submission(sure(IDS, [1, 2, 3]), Wanted(IDS), MIMIC, MADE_OF, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["prediction.csv", "prediction.zip", METADATA]
    with zipfile.ZipFile(tmp_path / "one/prediction.zip") as archive:
        (member,) = archive.infolist()
        assert (member.filename, member.date_time) == ("prediction.csv", (1980, 1, 1, 0, 0, 0))
        assert archive.read(member) == (tmp_path / "one/prediction.csv").read_bytes()
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_excluded_clips_get_the_most_frequent_class_and_are_listed(
    tmp_path: Path,
) -> None:
    wanted = wanted_clips(MIMIC, index(IDS, excluded=("0201_11",)))
    folder = tmp_path / "joint"
    write_submission(sure((IDS[2], IDS[0]), [1, 2]), wanted, MIMIC, MADE_OF, folder)
    lines = (folder / "prediction.csv").read_text("utf-8").splitlines()
    assert lines[1:] == ["0201_3,2", "0201_11,5", "0200_7,1"]
    metadata = read_metadata(folder)
    assert (metadata.excluded, metadata.excluded_label, metadata.clips) == (("0201_11",), 5, 3)


def test_excluded_clips_get_the_most_frequent_classes_by_rank(tmp_path: Path) -> None:
    form = MIMIC.form.model_copy(
        update={
            "header": ("id", "one", "two"),
            "columns": (Column(level="class", rank=1), Column(level="class", rank=2)),
        }
    )
    challenge = MIMIC.model_copy(update={"form": form})
    wanted = wanted_clips(challenge, index(IDS, excluded=("0201_11",)))
    given_ = sure((IDS[2], IDS[0]), [1, 2])
    write_submission(given_, wanted, challenge, MADE_OF, tmp_path / "s")
    lines = (tmp_path / "s/prediction.csv").read_text("utf-8").splitlines()
    assert lines[2] == "0201_11,5,2", "class 5 twice in training, class 2 and 7 once"


def test_the_metadata_name_the_files_by_their_hashes_and_what_is_assumed(tmp_path: Path) -> None:
    challenge = read_challenge("miga2026")
    write_submission(
        sure(IDS, [1, 2, 3], challenge), Wanted(IDS), challenge, MADE_OF, tmp_path / "s"
    )
    metadata = read_metadata(tmp_path / "s")
    assert metadata.assumed == challenge.assumed
    assert metadata.assumed is not None
    for name, digest in metadata.files.items():
        assert hashlib.sha256((tmp_path / "s" / name).read_bytes()).hexdigest() == digest


def test_of_equal_probabilities_the_lower_class_is_written(tmp_path: Path) -> None:
    even = replace(sure(IDS, [0, 0, 0]), p=np.full((3, 32), 1 / 32, np.float32))
    write_submission(even, Wanted(IDS), MIMIC, MADE_OF, tmp_path / "even")
    lines = (tmp_path / "even/prediction.csv").read_text("utf-8").splitlines()
    assert lines[1:] == [f"{clip},0" for clip in IDS]


def test_a_refused_submission_leaves_the_last_good_one(tmp_path: Path) -> None:
    folder = tmp_path / "joint"
    write_submission(sure(IDS, [1, 2, 3]), Wanted(IDS), MIMIC, MADE_OF, folder)
    good = (folder / "prediction.csv").read_bytes()
    bad = ("0201_3", "0201,11", "0200_7")
    with pytest.raises(SubmissionError, match="not a clip id and its label"):
        write_submission(sure(bad, [4, 5, 6]), Wanted(bad), MIMIC, MADE_OF, folder)
    assert (folder / "prediction.csv").read_bytes() == good
    assert [entry.name for entry in tmp_path.iterdir()] == ["joint"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edition": "miga25"}, "probabilities of joint on test: another edition's"),
        (
            {"classes": edition_of(MIMIC).classes[::-1]},
            "probabilities of joint on test: the classes are not",
        ),
        ({"split": "val"}, "probabilities of joint on val: not the test split's; expected test"),
        (
            {"clip_id": ("0201_3", "0201_11", "x")},
            "probabilities of joint on test: 1 clip(s) missing, 1 foreign (the first is 0200_7)",
        ),
        (
            {"edition": FOREIGN, "classes": tuple("ab"), "p": np.full((3, 2), 0.5, np.float32)},
            "probabilities of joint on test: another number of classes; expected 32; found 2",
        ),
    ],
)
def test_probabilities_of_something_else_are_refused(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    given_ = replace(sure(IDS, [1, 2, 3]), **change)
    with pytest.raises(MismatchError) as error:
        write_submission(given_, Wanted(IDS), MIMIC, MADE_OF, tmp_path / "joint")
    assert str(error.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_scores_of_another_program_are_taken_with_or_without_the_ending(tmp_path: Path) -> None:
    challenge = read_challenge("mac2025")
    ids = tuple(published_ids(challenge) or ())
    assert (len(ids), ids[0], ids[-1]) == (1138, "test0000", "test1137")
    files = []
    for name, ending in (("bare", ""), ("ending", ".mp4")):
        given_ = replace(
            sure(tuple(clip + ending for clip in ids), [k % 52 for k in range(1138)], challenge),
            edition=FOREIGN, split="any", classes=tuple(map(str, range(52))),
        )  # fmt: skip
        write_submission(given_, wanted_clips(challenge, None), challenge, MADE_OF, tmp_path / name)
        files.append((tmp_path / name / "prediction.csv").read_bytes())
    assert files[0] == files[1]
    assert files[0].splitlines()[1].startswith(b"test0000.mp4,0,1,2,3,4,0,")


def test_a_clip_with_and_without_the_ending_is_refused_not_dropped(tmp_path: Path) -> None:
    challenge = read_challenge("mac2025")
    both = sure(("test0000", "test0000.mp4"), [1, 2], challenge)
    with pytest.raises(MismatchError, match="clip test0000 comes twice, with and without .mp4"):
        write_submission(both, Wanted(("test0000",)), challenge, MADE_OF, tmp_path / "x")


def test_the_list_of_imigue_is_the_published_one() -> None:
    ids = wanted_clips(read_challenge("miga2025"), None).ids
    assert (len(ids), ids[0].split("_")[1]) == (4562, "0")
    assert ids == wanted_clips(read_challenge("miga2023"), None).ids


def test_a_list_with_a_clip_twice_is_refused() -> None:
    with pytest.raises(MismatchError, match="0201_3 comes twice"):
        wanted_clips(MIMIC, None, [*IDS, "0201_3"])


def test_a_challenge_without_a_list_asks_for_one() -> None:
    with pytest.raises(MismatchError, match=r"dvc repro index@ma52.*--ids"):
        wanted_clips(read_challenge("ma52"), None)


@pytest.mark.parametrize("name", ["prediction.csv", "submission.csv"])
def test_both_forms_of_which_sources_speak_pass_and_ours_has_the_message(
    tmp_path: Path, name: str
) -> None:
    challenge = read_challenge("mac2024")
    assert published_ids(challenge)[5585:] == ["test5585"]
    header = {"prediction.csv": "id", "submission.csv": "Id"}[name] + ",pred_label_1,pred_label_2"
    lines = f"{header}\ntest0000.mp4,1,7\n"
    (tmp_path / name).write_text(lines, "utf-8")
    with zipfile.ZipFile(tmp_path / "submission.zip", "w") as file:
        file.writestr(name, lines)
    for path in (tmp_path / name, tmp_path / "submission.zip"):
        check_submission(path, ["test0000"], challenge)
        with pytest.raises(SubmissionError, match="1 unknown clip"):
            check_submission(path, ["test0001"], challenge)


@pytest.mark.parametrize("challenge", ["mac2024", "miga2025"])
@pytest.mark.parametrize("byte", [0, 46], ids=["signature", "name"])
def test_a_damaged_zip_is_one_message(tmp_path: Path, challenge: str, byte: int) -> None:
    path = tmp_path / "prediction.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("prédiction.csv", "id,pred_label_1,pred_label_2\n")  # an encoded name
    data = bytearray(path.read_bytes())
    data[data.rfind(b"PK\1\2") + byte] = 0xFF  # in the list of files, which the end still finds
    path.write_bytes(data)
    with pytest.raises(SubmissionError, match="not a whole zip"):
        check_submission(path, ["test0000"], read_challenge(challenge))


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_zip_that_few_programs_can_read_is_named(tmp_path: Path, method: int) -> None:
    path = tmp_path / "prediction.ZIP"
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("prediction.csv", "Id,Target\n0201_3,7\n")
    with pytest.raises(SubmissionError, match="packed by a method"):
        check_submission(path, ["0201_3"], MIMIC)


def test_an_excel_sheet_called_csv_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.csv", "w") as file:
        file.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(SubmissionError, match="an Excel sheet or another zip; expected text"):
        check_submission(tmp_path / "x.csv", ["0201_3"], MIMIC)


def test_a_label_of_five_thousand_digits_is_out_of_range(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"Id,Target\n0201_3,{'9' * 5000}\n", "utf-8")
    with pytest.raises(SubmissionError, match="the label is out of range"):
        check_submission(tmp_path / "x.csv", ["0201_3"], MIMIC)


@pytest.mark.parametrize("edition", edition_names())
def test_an_edition_takes_the_plain_form_unless_a_challenge_has_its_name(
    edition: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = read_challenge(edition)
    assert plain.form == read_challenge("miga2025").form
    form = plain.form.model_copy(update={"label_base": 1})
    own = plain.model_copy(update={"form": form})
    monkeypatch.setattr(challenges, "FOLDER", tmp_path)
    (tmp_path / f"{edition}.yaml").write_text(own.model_dump_json(), "utf-8")
    assert read_challenge(edition) == own
