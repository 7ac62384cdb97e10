"""Stage table: the final scoring. Every row on validation and, where answers exist, on test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.clips import read_clips
from benchmark.editions import read_edition
from benchmark.leaderboards import leaderboard_lines
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
    from pathlib import Path

    from benchmark.params import Params


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
    subsets = sweep(params.table.subsets, probabilities / "experiments", truths)
    own = {row.name: row.metrics.top1 for row in rows if row.split == "test"}
    boards = leaderboard_lines(edition.name, {**own, **params.table.leaderboard})
    files = write_table(Page(rows, edition, resampling, subsets, boards), out, page)
    root = find_root()
    records = table_records(root, rows, edition, files)
    log_records(root, records)
    write_records(record, records)
    click.echo(f"wrote {page}, {out} and {record}: {len(params.table.rows)} rows")


if __name__ == "__main__":
    main()
