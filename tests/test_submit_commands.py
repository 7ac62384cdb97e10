"""`mgbench submit` outside of any project and inside one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.challenges.challenge import challenge_names, read_challenge
from benchmark.contracts.predictions import read_probabilities, write_probabilities
from benchmark.core.pinned_file import sha256
from benchmark.editions.edition import edition_names, listed_ids, read_edition
from benchmark.tracking.records import read_records
from conftest import REPO, mgbench
from submissions import sure

pytestmark = pytest.mark.slow

MIGA = read_challenge("miga2025")
IDS = tuple(listed_ids(read_edition("imigue"), "test") or ())


@pytest.fixture(scope="module")
def probabilities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4,562 predictions, one class after the other."""
    path = tmp_path_factory.mktemp("p") / "mine.parquet"
    write_probabilities(sure(IDS[::-1], [k % 32 for k in range(len(IDS))], MIGA), path)
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, probabilities: Path) -> Path:
    folder = tmp_path_factory.mktemp("w")
    done = mgbench(
        folder, "submit", "write", str(probabilities), "--edition", "miga2025", "--out", "try1"
    )
    assert done.returncode == 0, done.stderr
    assert "wrote try1: prediction.csv, prediction.zip, 4562 clips, checked" in done.stdout
    assert "outside of a project" in done.stdout
    return folder / "try1"


def test_list_names_every_challenge_and_says_what_is_assumed(tmp_path: Path) -> None:
    told = mgbench(tmp_path, "submit", "list").stdout
    lines = [line for line in told.splitlines() if line.startswith("  ")]
    named = [line.split()[0] for line in lines]
    assert sorted(named) == challenge_names()
    challenges = named[: len(challenge_names()) - len(edition_names())]
    assert not {*challenges} & {*edition_names()}, "editions come after them"
    assumed = {line.split()[0] for line in lines if "(assumed: " in line}
    assert assumed == {"miga2024", "miga2026", "mac2024", "mac2026"}


def test_the_csv_names_the_official_clips_in_their_order(written: Path) -> None:
    header, *rows = (written / "prediction.csv").read_text("utf-8").splitlines()
    assert header == "Id,Target"
    assert [row.split(",")[0] for row in rows] == list(IDS)
    assert rows[0].endswith(f",{(len(IDS) - 1) % 32}")


def test_the_metadata_say_what_it_is_made_of(written: Path, probabilities: Path) -> None:
    metadata = json.loads((written / "submission.json").read_text("utf-8"))
    assert metadata["ingredients"]["probabilities"] == sha256(probabilities)
    assert metadata["ingredients"]["transductive"] is False
    assert metadata["files"]["prediction.csv"] == sha256(written / "prediction.csv")


def test_the_metadata_of_a_file_that_fuse_wrote_name_its_members_and_weights(
    tmp_path: Path, probabilities: Path
) -> None:
    other = tmp_path / "other.parquet"
    write_probabilities(replace(read_probabilities(probabilities), source="other"), other)
    fuse = ("fuse", str(probabilities), "other.parquet", "--weights", "3,1", "--out", "f.parquet")
    assert mgbench(tmp_path, *fuse).returncode == 0
    mgbench(tmp_path, "submit", "write", "f.parquet", "--edition", "miga2025", "--out", "o")
    found = json.loads((tmp_path / "o/submission.json").read_text("utf-8"))["ingredients"]
    assert found["weights"] == {str(probabilities): 0.75, "other.parquet": 0.25}
    assert found["members"]["other.parquet"] == sha256(other)
    shutil.copy(probabilities, tmp_path / "f.parquet")
    mgbench(tmp_path, "submit", "write", "f.parquet", "--edition", "miga2025", "--out", "p")
    found = json.loads((tmp_path / "p/submission.json").read_text("utf-8"))["ingredients"]
    assert found["members"] == {}, "another file in its place"


def test_check_of_a_folder_says_which_file(written: Path) -> None:
    done = mgbench(written.parent, "submit", "check", written.name, "--edition", "miga2025")
    assert done.returncode == 2
    assert "is a folder; expected the CSV in it, or the zip" in done.stderr


def test_check_takes_what_was_written_and_names_what_is_not_right(written: Path) -> None:
    for name in ("prediction.csv", "prediction.zip"):
        done = mgbench(written, "submit", "check", name, "--edition", "miga2025")
        assert done.returncode == 0, done.stderr
        assert "4562 clips, valid for miga2025" in done.stdout
    done = mgbench(written, "submit", "check", "prediction.csv", "--edition", "miga2023")
    assert done.returncode == 2
    assert "line 1: a header; found 'Id,Target'" in done.stderr
    assert "Traceback" not in done.stderr


def test_inside_a_project_a_run_is_kept(tmp_path: Path, probabilities: Path) -> None:
    shutil.copy(REPO / "params.yaml", tmp_path / "params.yaml")
    done = mgbench(
        tmp_path, "submit", "write", str(probabilities), "--edition", "miga2025",
        "--out", "submissions/try1", "--transductive",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "runs").glob("submission-miga2025-try1-*.json")
    (record,) = read_records(file)
    assert record.experiment == "mmgesture/submission"
    assert record.params["ingredients.transductive"] == "true"
    assert record.params["challenge"] == "miga2025"
    assert "submissions/try1/prediction.csv" in record.artifacts


def test_an_unknown_challenge_is_named_with_the_known_ones(
    tmp_path: Path, probabilities: Path
) -> None:
    done = mgbench(
        tmp_path, "submit", "write", str(probabilities), "--edition", "miga", "--out", "o"
    )
    assert done.returncode == 2
    assert "no challenge 'miga'; expected one of" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path, probabilities: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    arguments = ("submit", "write", str(probabilities), "--edition", "miga2025", "--out")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/prediction.csv").write_text("of another program")
    for out in ("mine", ".", "theirs"):
        done = mgbench(tmp_path, *arguments, out)
        assert done.returncode == 2
        assert "is not a folder of one submission" in done.stderr
    assert (tmp_path / "mine/thesis.txt").read_text() == "years of work"


def test_diff_says_how_many_labels_differ_and_between_which_classes(
    tmp_path: Path, written: Path
) -> None:
    lines = (written / "prediction.csv").read_text("utf-8").splitlines()
    changed = [line.rpartition(",")[0] + ",31" if line.endswith(",30") else line for line in lines]
    (tmp_path / "other.csv").write_text("\n".join(changed) + "\n", "utf-8")
    count = sum(line.endswith(",30") for line in lines)
    done = mgbench(
        tmp_path, "submit", "diff", str(written / "prediction.zip"), "other.csv",
        "--edition", "miga2025",
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        f"{count} of 4562 clips differ ({100 * count / 4562:.2f} %)",
        f"{count:>6}  30 shaking shoulders -> 31 illustrative hand gestures",
    ]


def test_diff_counts_every_column_and_reads_any_zip_and_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Id,pred_label_1,pred_label_2\nx,1,5\ny,1,6\nz,0,2\n", "utf-8")
    (tmp_path / "b.csv").write_text("Id,pred_label_1,pred_label_2\nx,1,7\ny,1,6\nz,1,8\n", "utf-8")
    lines = mgbench(tmp_path, "submit", "diff", "a.csv", "b.csv").stdout.splitlines()
    assert lines[0].startswith("2 of 3 clips differ")
    assert lines[1:] == ["     1  in other columns only", "     1  0 -> 1"]


@pytest.mark.parametrize("cell", ["25.0", " 25", "-1"])
def test_diff_takes_a_first_line_with_any_number_for_a_clip(cell: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"x,{cell}\ny,3.0\n", "utf-8")
    (tmp_path / "b.csv").write_text("x,24\ny, 3\n", "utf-8")
    lines = mgbench(tmp_path, "submit", "diff", "a.csv", "b.csv").stdout.splitlines()
    assert lines[0] == "1 of 2 clips differ (50.00 %)"


@pytest.mark.parametrize("text", ["", "Id,Target\n", "Id,Target\nx,1\nx,2\n", "x\n"])
def test_diff_of_what_is_no_submission_says_so(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text, "utf-8")
    done = mgbench(tmp_path, "submit", "diff", "a.csv", "a.csv")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_diff_of_files_of_other_clips_is_refused(tmp_path: Path, written: Path) -> None:
    (tmp_path / "other.csv").write_text("Id,Target\n0001_0,3\n", "utf-8")
    done = mgbench(tmp_path, "submit", "diff", str(written / "prediction.csv"), "other.csv")
    assert done.returncode == 2
    assert "not the clips of" in done.stderr


def test_upload_without_send_only_checks_and_says_where(written: Path) -> None:
    done = mgbench(written, "submit", "upload", "prediction.csv", "--edition", "miga2025")
    assert done.returncode == 0, done.stderr
    assert "would send it to the-3rd-mi-ga-ijcai-challenge-track-1" in done.stdout


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("miga2024", "the name of its competition is unknown. Pass --competition"),
        ("miga2023", "line 1: a header"),
    ],
)
def test_upload_refuses_where_it_cannot_go(name: str, message: str, written: Path) -> None:
    done = mgbench(written, "submit", "upload", "prediction.csv", "--edition", name, "--send")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_scores_of_another_program_become_a_submission_of_mac2025(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(52), 1138)
    np.save(tmp_path / "scores.npy", scores)
    for arguments in (
        ("scores", "import", "scores.npy", "--out", "p.parquet", "--edition", "mac2025",
         "--split", "test"),
        ("submit", "write", "p.parquet", "--edition", "mac2025", "--out", "mac"),
        ("submit", "check", "mac/submission.zip", "--edition", "mac2025"),
    ):  # fmt: skip
        done = mgbench(tmp_path, *arguments)
        assert done.returncode == 0, done.stderr
    row = (tmp_path / "mac/prediction.csv").read_text("utf-8").splitlines()[1].split(",")
    best = np.argsort(-scores[0])[:5]
    assert row[:6] == ["test0000.mp4", *map(str, best)]
    starts = np.array([0, 5, 11, 24, 32, 38, 48])
    assert row[6:] == [str(np.searchsorted(starts, action, "right") - 1) for action in best]


def test_a_submission_whose_record_cannot_be_written_is_not_written_either(
    tmp_path: Path, probabilities: Path
) -> None:
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    # No user, not even root, makes a file there.
    (tmp_path / "runs").symlink_to("/sys/kernel")
    done = mgbench(
        tmp_path, "submit", "write", str(probabilities), "--edition", "miga2025", "--out", "mine"
    )
    assert done.returncode == 2
    assert "Give your user read and write access" in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params.yaml", "runs"]
