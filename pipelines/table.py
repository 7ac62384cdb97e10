"""Stage table: score every row on validation and, where labels are known, on test."""

from __future__ import annotations

from pipelines._stage import existing, path, stage

from typing import TYPE_CHECKING

import click

from benchmark.contracts.clips import read_clips
from benchmark.contracts.test_labels import read_test_labels
from benchmark.editions.edition import read_edition
from benchmark.results.best import table_best
from benchmark.results.entries import read_entries, scored_truths
from benchmark.results.leaderboards import board_of, leaderboard_page
from benchmark.results.runs import table_records
from benchmark.results.subsets import table_subsets
from benchmark.results.table import Resampling, score_rows
from benchmark.results.writers import Page, write_table
from benchmark.tracking.store import find_root
from benchmark.tracking.sync import show_and_record

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params


@click.command()
@click.option("--clips", "index", type=existing, required=True, help="The index.")
@click.option("--probabilities", type=existing, required=True, help="Folder of all of them.")
@click.option("--test-labels", type=path, required=True, help="CSV of test labels, if withheld.")
@click.option("--out", type=path, required=True, help="Folder of the table.")
@click.option("--page", type=path, required=True, help="The page to write.")
@click.option("--record", type=path, required=True, help="The runs' record.")
@stage
def main(
    params: Params, index: Path, probabilities: Path, test_labels: Path, out: Path, page: Path,
    record: Path,
) -> None:  # fmt: skip
    """Score the rows of params.yaml's table."""
    edition = read_edition(params.table.edition)
    clips = read_clips(index, edition)
    resampling = Resampling(params.table.resamples, params.seed)
    test = read_test_labels(test_labels, clips, edition)
    truths = scored_truths(params, clips, test, {row.scores for row in params.table.rows})
    rows = []
    for truth in truths:
        rows += score_rows(read_entries(params, probabilities, truth.split), truth, resampling)
    subsets = table_subsets(params, clips, test, probabilities)
    own = {row.name: row.metrics.top1 for row in rows if row.split == "test"}
    board = board_of(edition.name)
    boards = leaderboard_page(board, {**own, **params.table.leaderboard}) if board else []
    best = table_best(params, clips, probabilities, resampling)
    files = write_table(Page(rows, edition, resampling, subsets, boards, best), out, page)
    root = find_root()
    show_and_record(root, record, table_records(root, rows, edition, files, best))
    click.echo(f"wrote {page}, {out} and {record}: {len(params.table.rows)} rows")


if __name__ == "__main__":
    main()
