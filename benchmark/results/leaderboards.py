"""Published leaderboards beside one's own scores: the same clips, an interval for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator
from scipy.stats import binomtest

from benchmark.core.schema import Positive, Strict, read_yaml
from benchmark.evaluation.bootstrap import Interval, percent

if TYPE_CHECKING:
    from benchmark.results.table import ResultRow

FILE = Path(__file__).with_name("leaderboards.yaml")
Source: TypeAlias = Annotated[str, StringConstraints(min_length=8)]
"""Paper, page or repository where the fact was read."""


class LeaderboardEntry(Strict):
    """One published result."""

    year: Positive
    rank: Positive | None
    """Null where the source does not tell it."""
    team: str | None
    """Null where nobody named it."""
    score: Annotated[float, Field(ge=0, le=100)] | None
    """Per cent, as printed; null where no source tells it."""
    correct: Positive | None
    """Correct clips: the number that gives `score`, rounded or cut off; null for other metrics."""
    method: str | None
    source: Source


class Board(Strict):
    """Results of one track of a challenge."""

    name: str
    edition: str | None
    """Edition whose test clips or videos are scored; null where they are those of none."""
    title: str
    metric: Literal["top-1", "F1", "F1_mean"]
    clips: Positive | None
    """Test clips; null where the metric is no share of them."""
    entries: tuple[LeaderboardEntry, ...]

    @model_validator(mode="after")
    def _counts_fit(self) -> Board:
        for entry in self.entries:
            if (self.clips is None) != (entry.correct is None):
                raise ValueError(f"{entry.source}: clips and correct go together")
            if self.clips is None or entry.correct is None or entry.score is None:
                continue
            # Some boards round, some cut off: less than one unit of the last printed digit.
            digits = len(str(entry.score).partition(".")[2])
            if abs(100 * entry.correct / self.clips - entry.score) >= 10**-digits:
                raise ValueError(f"{entry.correct} of {self.clips} clips are not {entry.score} %")
        return self


class PublishedStream(Strict):
    """The score of one network alone, published on iMiGUE's test clips."""

    experiments: tuple[str, ...] = Field(min_length=1)
    """Experiments of preset `paper` that see the same of a clip."""
    network: str
    top1: Annotated[float, Field(ge=0, le=100)]
    """Per cent, as printed."""
    source: Source


class Boards(Strict):
    """The file `leaderboards.yaml`."""

    boards: tuple[Board, ...]
    streams: tuple[PublishedStream, ...]


def published() -> Boards:
    """Read all published results."""
    return read_yaml(FILE, Boards)


def board_of(edition: str, metric: str = "top-1") -> Board | None:
    """Find the published results of a metric on an edition's test data; None for none."""
    found = (board for board in published().boards if board.metric == metric)
    return next((board for board in found if board.edition == edition), None)


def wilson(correct: int, clips: int) -> Interval:
    """Compute the 95 % interval of a share from the counts: nobody publishes predictions by video.

    Source: Wilson, Probable Inference, J Am Stat Assoc 22, 1927.
    """
    bounds = binomtest(correct, clips).proportion_ci(0.95, method="wilson")
    return Interval(low=float(bounds.low), high=float(bounds.high))


def leaderboard_page(board: Board, own: Mapping[str, float]) -> list[str]:
    """Write lines of Markdown: published results and `own` ones, name -> fraction, best first."""
    rows: list[tuple[float, str]] = []

    def add(score: float | None, correct: int | None, *cells: str) -> None:
        told = ["not found" if score is None else f"{score:.3f}"]
        if board.clips is not None and correct is not None:
            told.append(percent(wilson(correct, board.clips)))
        # By count where there is one: the printed shares have different numbers of digits.
        rows.append((-(correct or score or 0), " | ".join([*told, *cells])))

    for entry in board.entries:
        year = f"{entry.year}" + (f", rank {entry.rank}" if entry.rank else "")
        team = entry.team or "not named"
        add(entry.score, entry.correct, year, team, entry.method or "", entry.source)
    for name, share in own.items():
        correct = None if board.clips is None else round(share * board.clips)
        add(100 * share, correct, "", f"**{name}**", "yours", "")
    rows.sort(key=itemgetter(0))
    interval, line = (" 95 % interval |", ":-:|") if board.clips else ("", "")
    return [
        f"{board.title}" + (f": {board.clips} clips." if board.clips else "."),
        "",
        f"| {board.metric} % |{interval} year | team | method | source |",
        f"|--:|{line}---|---|---|---|",
        *(f"| {cells} |" for _, cells in rows),
        *(NOTE if board.clips else []),
    ]


def boards_section(
    edition: str, rows: Sequence[ResultRow], leaderboard: Mapping[str, float]
) -> list[str]:
    """Write what is published on an edition's test clips beside one's own rows; nothing for none.

    `rows` are of all splits; `leaderboard` holds one's own leaderboard results, name -> fraction.
    """
    board = board_of(edition)
    if board is None:
        return []
    test = {row.name: row.metrics.top1 for row in rows if row.split == "test"}
    page = leaderboard_page(board, {**test, **leaderboard})
    own: dict[str, tuple[float, str]] = {}
    for row in sorted(rows, key=lambda row: row.split != "val"):  # test counts where it is known
        own[row.source] = (100 * row.metrics.top1, {"val": "validation"}.get(row.split, row.split))
    own |= {name: (100 * share, "leaderboard") for name, share in leaderboard.items()}
    paper = {row.source: row.paper_top1 for row in rows if row.paper_top1 is not None}
    streams = _streams(own, paper)
    return [*page, "", "### Streams beside published ones", "", *streams] if streams else page


def _streams(own: Mapping[str, tuple[float, str]], paper: Mapping[str, float]) -> list[str]:
    """Compare one's streams, (per cent, where), with published ones; the farthest behind first."""
    pairs = [(name, top1, "the paper's, by params.yaml", "") for name, top1 in paper.items()]
    for stream in published().streams:
        pairs += [(name, stream.top1, stream.network, stream.source) for name in stream.experiments]
    found = sorted((own[pair[0]][0] - pair[1], *pair) for pair in pairs if pair[0] in own)
    if not found:
        return []
    return [
        "| stream | yours, top-1 % | on | published, on test | points | network | source |",
        "|---|--:|---|--:|--:|---|---|",
        *(
            f"| {name} | {own[name][0]:.3f} | {own[name][1]} | {top1:.3f} | {points:+.3f}"
            f" | {network} | {source} |"
            for points, name, top1, network, source in found
        ),
    ]


NOTE = [
    "",
    "Intervals are Wilson's, of the number of right clips. They are too narrow, because clips of"
    " one video resemble each other,",
    "and they do not compare two systems that answered the same clips.",
]
