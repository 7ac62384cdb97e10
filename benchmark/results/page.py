"""The results page: rows, subsets, published results, the best set of streams, gestures found."""

from __future__ import annotations

from benchmark.editions.edition import read_edition
from benchmark.results.best import read_best
from benchmark.results.entries import Scoring, read_entries
from benchmark.results.leaderboards import boards_section
from benchmark.results.online import online_rows, read_online
from benchmark.results.subsets import table_subsets
from benchmark.results.table import Resampling, score_rows
from benchmark.results.writers import Page


def score_page(scoring: Scoring) -> Page:
    """Score all that section `table` asks for.

    Raises:
        FormatError: A file is missing or breaks its schema.
        MismatchError: Members of a row disagree, or are of other clips.
    """
    spec, edition = scoring.params.table, read_edition(scoring.params.table.edition)
    resampling = Resampling(spec.resamples, scoring.params.seed)
    rows = []
    for truth in scoring.truths({row.scores for row in spec.rows}):
        rows += score_rows(read_entries(scoring, truth.split), truth, resampling)
    # Published numbers are of the official split: none stands beside a score out of fold.
    official = {row.name for row in spec.rows if row.scores == "val"}
    published = [row for row in rows if row.name in official]
    return Page(
        rows, edition, resampling,
        subsets=table_subsets(scoring),
        leaderboards=boards_section(edition.name, published, spec.leaderboard),
        best=read_best(scoring.params, scoring.clips, scoring.probabilities),
        online=online_rows(read_online(scoring), resampling),
    )  # fmt: skip
