"""Published leaderboards beside one's own scores: the same clips, an interval for each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator
from scipy.stats import binomtest

from benchmark.core.schema import Positive, Strict, read_yaml
from benchmark.evaluation.bootstrap import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = Path(__file__).with_name("leaderboards.yaml")


class LeaderboardEntry(Strict):
    """One published result."""

    year: Positive
    rank: Positive | None
    """Null where the source does not tell it."""
    team: str | None
    """Null where nobody named it."""
    top1: Annotated[float, Field(ge=0, le=100)]
    """Per cent, as printed."""
    correct: Positive
    """Correct clips: the number that gives `top1`, rounded or cut off."""
    method: str | None
    source: str


class Board(Strict):
    """Results on the test clips of one edition."""

    edition: str
    title: str
    clips: Positive
    entries: tuple[LeaderboardEntry, ...]

    @model_validator(mode="after")
    def _counts_fit(self) -> Board:
        for entry in self.entries:
            # Some boards round, some cut off: less than one unit of the last printed digit.
            digits = len(str(entry.top1).partition(".")[2])
            if abs(100 * entry.correct / self.clips - entry.top1) >= 10**-digits:
                raise ValueError(f"{entry.correct} of {self.clips} clips are not {entry.top1} %")
        return self


class Boards(Strict):
    """The file `leaderboards.yaml`."""

    boards: tuple[Board, ...]


def board_of(edition: str) -> Board | None:
    """Find the published results on an edition's test clips; None where there are none."""
    boards = read_yaml(FILE, Boards).boards
    return next((board for board in boards if board.edition == edition), None)


def wilson(correct: int, clips: int) -> Interval:
    """Compute the 95 % interval of a share from the counts: nobody publishes predictions by video.

    Source: Wilson, Probable Inference, J Am Stat Assoc 22, 1927.
    """
    bounds = binomtest(correct, clips).proportion_ci(0.95, method="wilson")
    return Interval(low=float(bounds.low), high=float(bounds.high))


def leaderboard_page(board: Board, own: Mapping[str, float]) -> list[str]:
    """Write lines of Markdown: published results and `own` ones, name -> fraction, best first."""
    rows = [
        (entry.correct, f"{entry.top1:.3f}",
         f"{entry.year}" + (f", rank {entry.rank}" if entry.rank else ""),
         entry.team or "not named", entry.method or "", entry.source)
        for entry in board.entries
    ]  # fmt: skip
    rows += [
        (round(share * board.clips), f"{100 * share:.3f}", "", f"**{name}**", "yours", "")
        for name, share in own.items()
    ]
    lines = []
    # By count: the printed shares have different numbers of digits.
    for correct, top1, *cells in sorted(rows, key=lambda row: -row[0]):
        bounds = wilson(correct, board.clips)
        shown = f"{100 * bounds.low:.2f} to {100 * bounds.high:.2f}"
        lines.append("| " + " | ".join([top1, shown, *cells]) + " |")
    return [
        f"{board.title}: {board.clips} clips.",
        "",
        "| top-1 % | 95 % interval | year | team | method | source |",
        "|--:|:-:|---|---|---|---|",
        *lines,
        "",
        "Intervals are Wilson's, from the number of right clips: too narrow, because clips of one"
        " video are alike, and they say",
        "nothing of two systems that answered the same clips.",
    ]
