"""Intervals of other programs are read, scored and written as the challenge's files."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.contracts.clips import Clips, write_clips
from benchmark.core.errors import BenchmarkError
from benchmark.editions.edition import read_edition
from benchmark.results.sequence_files import Sequences, raw_numbers, read_found
from conftest import a_clip, mgbench
from submission.leaderboard.sequences import ZIP, write_sequences

EDITION = read_edition("imigue")
CLIPS = Clips("imigue", tuple(
    a_clip(f"{video}_{k}", split="val", label=label, start_frame=start, end_frame=start + 20)
    for video, k, label, start in (("0001", 0, 31, 100), ("0001", 1, 3, 200), ("0002", 0, 3, 0))
))  # fmt: skip
VIDEOS = Sequences.of(EDITION, CLIPS, "val")
NOD = {"segment": [4.0, 4.8], "label": EDITION.classes[31], "score": 0.9}


def opentad(path: Path, results: object) -> Path:
    path.write_text(json.dumps({"version": "1", "results": results}))
    return path


def test_segments_of_opentad_are_seconds_and_its_labels_names(tmp_path: Path) -> None:
    given = {"0001": [NOD, {"segment": [0.5, 0.75], "label": 3, "score": -1}], "0002": []}
    found = read_found(opentad(tmp_path / "r.json", given), VIDEOS, "actionformer")
    assert found.videos == ("0001", "0002")
    np.testing.assert_allclose(found.start, [100, 12.5])
    np.testing.assert_allclose(found.end, [120, 18.75])
    assert (found.label.tolist(), found.score.tolist()) == ([31, 3], [0.9, -1])


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ({"0001": [NOD]}, "lacks 1 of 2 videos of val, the first is 0002. Give a video without"),
        ({"0099": [NOD]}, "0099: not a video of val; expected 2 videos, such as 0001"),
        ({"0001": [NOD | {"label": "jump"}]}, "unknown class; expected a class of imigue"),
        ({"0001": [NOD | {"label": 32}]}, "unknown class"),
        ({"0001": [NOD | {"segment": [3, 3]}], "0002": []}, "no time in it in 1 row"),
        ({"0001": [NOD | {"segment": [-1, 3]}], "0002": []}, "starts before frame 0 in 1 row"),
        ({"0001": [NOD | {"segment": "0-3"}]}, "not OpenTAD's results: results.0001.0.segment"),
        (["0001"], "not OpenTAD's results: results"),
    ],
)
def test_what_is_no_result_of_these_videos_is_refused(
    results: object, said: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchmarkError) as caught:
        read_found(opentad(tmp_path / "r.json", results), VIDEOS, "x")
    assert said in str(caught.value)


def test_files_of_sequences_have_the_numbers_of_the_labels_and_come_back(tmp_path: Path) -> None:
    assert raw_numbers(EDITION)[-2:] == [31, 99]
    assert raw_numbers(read_edition("smg"))[-1] == 17
    given = {"0001": [NOD, NOD | {"segment": [2.01, 2.02]}], "0002": []}
    found = read_found(opentad(tmp_path / "r.json", given), VIDEOS, "x")
    write_sequences(found, VIDEOS, tmp_path / "out")
    assert (tmp_path / "out/0001_prediction.csv").read_text() == "99,50,50\n99,100,119\n"
    assert (tmp_path / "out/0002_prediction.csv").read_text() == "", "a sequence without gestures"
    with zipfile.ZipFile(tmp_path / "out" / ZIP) as archive:
        assert archive.namelist() == ["0001_prediction.csv", "0002_prediction.csv"]
    again = read_found(tmp_path / "out", VIDEOS, "x")
    assert (again.start.tolist(), again.end.tolist()) == ([50, 100], [51, 120])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("32,1,2\n", "a class of 1 to 99; found 32,1,2"),
        ("1,5,4\n", "not an interval"),
        ("1,2\n", "not an interval"),
        ("1,2.5,4\n", "no whole number; found '2.5'"),
    ],
)
def test_a_row_that_is_no_interval_is_named(rows: str, said: str, tmp_path: Path) -> None:
    for video in VIDEOS.fps:
        (tmp_path / f"{video}_prediction.csv").write_text(rows if video == "0002" else "")
    with pytest.raises(BenchmarkError) as caught:
        read_found(tmp_path, VIDEOS, "x")
    assert said in str(caught.value)
    assert "0002_prediction.csv line 1" in str(caught.value)


def test_a_missing_sequence_is_named(tmp_path: Path) -> None:
    (tmp_path / "0001_prediction.csv").write_text("")
    with pytest.raises(BenchmarkError, match="the first that differs is 0002"):
        read_found(tmp_path, VIDEOS, "x")


def test_the_commands_score_and_write_what_opentad_found(tmp_path: Path) -> None:
    write_clips(CLIPS, tmp_path / "data/imigue/clips.parquet", EDITION)
    given = {"0001": [NOD, NOD | {"segment": [9, 10], "score": 0.2}], "0002": []}
    opentad(tmp_path / "r.json", given)
    scores = ("scores", "online", "r.json", "--edition", "imigue")
    told = mgbench(tmp_path, *scores, "--least", "0.5", "--out", "f.parquet")
    assert told.returncode == 0, told.stderr
    assert "1 found" not in told.stderr
    assert told.stdout.splitlines()[:3] == [
        "1 found, 3 labeled, in 2 videos", "f1_reference 50.000 %, 0.00 to 66.67 % (95 %, videos"
        " resampled)", "f1_strict    50.000 %, 0.00 to 66.67 % (95 %, videos resampled)",
    ]  # fmt: skip
    submit = ("submit", "online", "f.parquet", "--edition", "imigue", "--split", "val")
    done = mgbench(tmp_path, *submit, "--out", "o")
    assert done.returncode == 0, done.stderr
    assert "wrote o: 2 csv and prediction.zip, checked" in done.stdout
    assert "not confirmed by the organizers" in done.stdout
    assert (tmp_path / "o/0001_prediction.csv").read_text() == "99,100,119\n"
    assert "data" in mgbench(tmp_path, *submit, "--out", "data").stderr, "foreign files stay"
    assert (tmp_path / "data/imigue/clips.parquet").is_file()


def test_a_video_in_a_folder_gives_its_name_to_no_file(tmp_path: Path) -> None:
    own = Clips("smg", (replace(a_clip("a_0", split="val", label=3), video="videos/a.mp4"),))
    smg = Sequences.of(read_edition("smg"), own, "val")
    found = read_found(opentad(tmp_path / "r.json", {"videos/a.mp4": []}), smg, "x")
    with pytest.raises(BenchmarkError, match="no file can be called videos/a.mp4_prediction.csv"):
        write_sequences(found, smg, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_submit_online_replaces_only_a_folder_of_its_own(tmp_path: Path) -> None:
    write_clips(CLIPS, tmp_path / "data/imigue/clips.parquet", EDITION)
    opentad(tmp_path / "r.json", {"0001": [NOD], "0002": []})
    submit = ("submit", "online", "r.json", "--edition", "imigue", "--split", "val", "--out")
    (tmp_path / "mine").mkdir()
    for file in ("notes.txt", "mine/0003_prediction.csv"):
        (tmp_path / file).write_text("years of work")
        done = mgbench(tmp_path, *submit, file.split("/")[0])
        assert "is not a folder of one submission" in done.stderr
        assert (tmp_path / file).read_text() == "years of work"
    (tmp_path / "o").mkdir()
    (tmp_path / "link").symlink_to("o")
    for _ in range(2):
        assert mgbench(tmp_path, *submit, "link").returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "o" / ZIP).is_file()
    assert not list(tmp_path.glob(".*"))
