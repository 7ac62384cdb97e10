"""Published leaderboards: their counts, intervals and place beside one's own score."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from statsmodels.stats.proportion import proportion_confint

from benchmark.results.leaderboards import (
    Board,
    LeaderboardEntry,
    board_of,
    leaderboard_page,
    wilson,
)
from write_leaderboards_page import PAGE, page


def entry(**changes: object) -> LeaderboardEntry:
    row = {
        "year": 2025, "rank": 1, "team": "t", "top1": 50.0, "correct": 5, "method": None,
        "source": "s",
    }  # fmt: skip
    return LeaderboardEntry.model_validate(row | changes)


@pytest.mark.parametrize(("correct", "clips"), [(3340, 4562), (1, 10), (0, 5), (5, 5)])
def test_intervals_are_those_of_statsmodels(correct: int, clips: int) -> None:
    low, high = proportion_confint(correct, clips, 0.05, "wilson")
    found = wilson(correct, clips)
    assert found.low == pytest.approx(low, abs=1e-12)
    assert found.high == pytest.approx(high, abs=1e-12)


def test_imigue_has_every_winner_and_the_second_of_2025() -> None:
    board = board_of("imigue")
    assert board is not None
    by_place = {(entry.year, entry.rank): entry.top1 for entry in board.entries}
    assert by_place[2023, 1] == 64.12
    assert by_place[2024, 1] == 70.254
    assert by_place[2025, 1] == 73.213
    assert by_place[2025, 2] == 68.697
    assert by_place[2026, 1] == 74.419


def test_generated_data_have_no_board() -> None:
    assert board_of("mimic") is None


def test_a_count_that_is_not_the_printed_share_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"6 of 10 clips are not 50.0 %"):
        Board(edition="e", title="t", clips=10, entries=(entry(correct=6),))


def test_ones_own_score_stands_at_its_place_with_its_interval() -> None:
    board = Board(
        edition="e", title="t", clips=10,
        entries=(entry(), entry(top1=90.0, correct=9, rank=None, team=None)),
    )  # fmt: skip
    lines = leaderboard_page(board, {"mine": 0.7})
    rows = [line for line in lines if line.startswith("| ") and "top-1" not in line]
    assert [row.split("|")[1].strip() for row in rows] == ["90.000", "70.000", "50.000"]
    low, high = proportion_confint(7, 10, 0.05, "wilson")
    assert f"| {100 * low:.2f} to {100 * high:.2f} |" in rows[1]
    assert "| **mine** |" in rows[1]
    assert "| not named |" in rows[0]


def test_the_page_shows_what_the_file_holds() -> None:
    assert PAGE.read_text("utf-8") == page()
