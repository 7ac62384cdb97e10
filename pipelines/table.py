"""Stage table: the final scoring. Every row on validation and, where answers exist, on test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.clips import read_clips
from benchmark.editions import read_edition
from benchmark.leaderboards import board_of, leaderboard_page
from benchmark.predictions import read_probabilities
from benchmark.results import Resampling, known_answers, score_rows
from benchmark.results_files import Page, write_table
from benchmark.run_record import write_records
from benchmark.sealed import test_labels
from benchmark.sync import log_records
from benchmark.table_runs import table_records
from benchmark.tracking import find_root
from pipelines._stage import existing, path, stage
from submission.entries import read_entries
from submission.sweep import sweep

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmark.params import Params
    from benchmark.results import Answers, ResultRow
    from submission.sweep import SubsetScore


@click.command()
@click.option("--clips", "index", type=existing, required=True, help="The index.")
@click.option("--probabilities", type=existing, required=True, help="Folder of all of them.")
@click.option("--answers", type=path, required=True, help="Sealed answers of test, if any.")
@click.option("--out", type=path, required=True, help="Folder of the table.")
@click.option("--page", type=path, required=True, help="The page to write.")
@click.option("--record", type=path, required=True, help="The runs' record.")
@stage
def main(
    params: Params,
    index: Path,
    probabilities: Path,
    answers: Path,
    out: Path,
    page: Path,
    record: Path,
) -> None:
    """Score the rows of params.yaml's table."""
    edition = read_edition(params.table.edition)
    clips = read_clips(index, edition)
    resampling = Resampling(params.table.resamples, params.seed)
    truths = known_answers(clips, test_labels(answers, clips, edition))
    rows = []
    for truth in truths:
        rows += score_rows(read_entries(params, probabilities, truth.split), truth, resampling)
    subsets = _subsets(params, probabilities, truths)
    files = write_table(Page(rows, edition, resampling, subsets, _boards(params, rows)), out, page)
    root = find_root()
    records = table_records(root, rows, edition, files)
    log_records(root, records)
    write_records(record, records)
    click.echo(f"wrote {page}, {out} and {record}: {len(params.table.rows)} rows")


def _subsets(params: Params, folder: Path, truths: Sequence[Answers]) -> list[SubsetScore]:
    """Of the experiments that params.yaml names for it."""
    if not params.table.subsets:
        return []
    members = {
        truth.split: [
            read_probabilities(folder / name / f"{truth.split}.parquet")
            for name in params.table.subsets
        ]
        for truth in truths
    }
    return sweep(members, truths)


def _boards(params: Params, rows: Sequence[ResultRow]) -> list[str]:
    """Published results beside one's own: scores of the leaderboard, and those of known answers."""
    if (board := board_of(params.table.edition)) is None:
        return []
    own = {row.name: row.metrics.top1 for row in rows if row.split == "test"}
    return leaderboard_page(board, {**own, **params.table.leaderboard})


if __name__ == "__main__":
    main()
