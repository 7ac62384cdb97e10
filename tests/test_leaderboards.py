"""Published leaderboards: their counts, intervals and place beside one's own score."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError
from statsmodels.stats.proportion import proportion_confint

from benchmark.challenges.challenge import Kaggle, challenge_names, read_challenge
from benchmark.evaluation.scores import Scores
from benchmark.results.leaderboards import (
    Board,
    LeaderboardEntry,
    board_of,
    boards_section,
    leaderboard_page,
    published,
    wilson,
)
from benchmark.results.table import ResultRow
from write_leaderboards_page import PAGE, page


def entry(**changes: object) -> LeaderboardEntry:
    row = {
        "year": 2025, "rank": 1, "team": "t", "score": 50.0, "correct": 5, "method": None,
        "source": "arXiv 2507.1",
    }  # fmt: skip
    return LeaderboardEntry.model_validate(row | changes)


def board(*entries: LeaderboardEntry, **changes: object) -> Board:
    row = {"name": "n", "edition": "e", "title": "t", "metric": "top-1", "clips": 10}
    return Board.model_validate({**row, "entries": entries} | changes)


@pytest.mark.parametrize(("correct", "clips"), [(3340, 4562), (1, 10), (0, 5), (5, 5)])
def test_intervals_are_those_of_statsmodels(correct: int, clips: int) -> None:
    low, high = proportion_confint(correct, clips, 0.05, "wilson")
    found = wilson(correct, clips)
    assert found.low == pytest.approx(low, abs=1e-12)
    assert found.high == pytest.approx(high, abs=1e-12)


def test_imigue_has_every_winner_and_the_second_of_2025() -> None:
    found = board_of("imigue")
    assert found is not None
    by_place = {(entry.year, entry.rank): entry.score for entry in found.entries}
    assert by_place[2023, 1] == 64.12
    assert by_place[2024, 1] == 70.254
    assert by_place[2025, 1] == 73.213
    assert by_place[2025, 2] == 68.697
    assert by_place[2026, 1] == 74.419


def test_generated_data_have_no_board() -> None:
    assert board_of("mimic") is None


def test_a_count_that_is_not_the_printed_share_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"6 of 10 clips are not 50.0 %"):
        board(entry(correct=6))


def test_ones_own_score_stands_at_its_place_with_its_interval() -> None:
    lines = leaderboard_page(board(entry(), entry(score=90.0, correct=9, rank=None, team=None)),
                             {"mine": 0.7})  # fmt: skip
    rows = [line for line in lines if line.startswith("| ") and "top-1" not in line]
    assert [row.split("|")[1].strip() for row in rows] == ["90.000", "70.000", "50.000"]
    low, high = proportion_confint(7, 10, 0.05, "wilson")
    assert f"| {100 * low:.2f} to {100 * high:.2f} |" in rows[1]
    assert "| **mine** |" in rows[1]
    assert "| not named |" in rows[0]


def test_a_board_without_counts_has_no_intervals_and_names_a_missing_score() -> None:
    missing = entry(score=None, correct=None)
    lines = leaderboard_page(board(missing, metric="F1", clips=None), {"mine": 0.5})
    assert lines[2] == "| F1 % | year | team | method | source |"
    assert [line.split(" | ")[0] for line in lines[4:]] == ["| 50.000", "| not found"]


def row(source: str, split: str, top1: float, paper: float | None = None) -> ResultRow:
    scores = Scores(top1=top1, top5=1, macro_f1=0, mean_acc=0, log_loss=1, ece=0, n=10)
    return ResultRow.model_construct(
        name=source, source=source, split=split, metrics=scores, paper_top1=paper
    )


def test_the_stream_that_is_farthest_behind_a_published_one_comes_first() -> None:
    rows = [row("joint", "val", 0.6), row("swin_rgb", "val", 0.68), row("winner", "val", 0.7, 73.2)]
    found = [line for line in boards_section("imigue", rows, {"swin_rgb": 0.5}) if "| " in line]
    streams = [line.split(" | ") for line in found[found.index(HEAD) + 1 :]]
    assert [(cells[0], cells[2], cells[4]) for cells in streams] == [
        ("| swin_rgb", "leaderboard", "-19.224"), ("| swin_rgb", "leaderboard", "-11.100"),
        ("| joint", "validation", "-7.010"), ("| winner", "validation", "-3.200"),
        ("| joint", "validation", "+5.090"),
    ]  # fmt: skip


HEAD = "| stream | yours, top-1 % | on | published, on test | points | network | source |"


SOURCE = "arXiv|doi|github.com|CEUR|second-hand|stage synthesize|docs/imigue.md"
"""What a source names: a paper, a repository, or that it is none."""


@pytest.mark.parametrize("name", challenge_names())
def test_every_challenge_names_where_its_facts_were_read(name: str) -> None:
    assert re.search(SOURCE, read_challenge(name).source)


def test_every_published_result_names_where_it_was_read() -> None:
    facts = published()
    sources = [entry.source for board in facts.boards for entry in board.entries]
    sources += [stream.source for stream in facts.streams]
    assert [source for source in sources if not re.search(SOURCE, source)] == []


def test_miga2026_is_ranked_by_top1_and_then_top5_on_its_own_competition() -> None:
    challenge = read_challenge("miga2026")
    assert challenge.ranking == "top-1; of equal ones, top-5"
    assert challenge.place == Kaggle(
        kind="kaggle", competition="the-4th-ei-mi-ga-ijcai-challenge-track-1"
    )
    assert challenge.assumed is not None


def test_the_page_shows_what_the_file_holds() -> None:
    assert PAGE.read_text("utf-8") == page()
