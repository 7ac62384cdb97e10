"""Stage table: score every row on validation and, where labels are known, on test."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.contracts.clips import read_clips
from benchmark.contracts.test_labels import read_test_labels
from benchmark.core.files import find_root
from benchmark.editions.edition import read_edition
from benchmark.params.params import Params
from benchmark.results.entries import Scoring
from benchmark.results.page import score_page
from benchmark.results.runs import table_records
from benchmark.results.writers import write_table
from benchmark.tracking.sync import show_and_record


@command(
    reads=("clips", "probabilities"), writes=("out", "page", "record"), perhaps=("test-labels",)
)
def main(
    params: Params, index: Path, probabilities: Path, test_labels: Path, out: Path, page: Path,
    record: Path,
) -> None:  # fmt: skip
    """Score the rows of params.yaml's table."""
    edition = read_edition(params.table.edition)
    clips = read_clips(index, edition)
    test = read_test_labels(test_labels, clips, edition)
    scored = score_page(Scoring(params, clips, probabilities, test))
    files = write_table(scored, out, page)
    root = find_root()
    show_and_record(root, record, table_records(root, scored, files))
    click.echo(f"wrote {page}, {out} and {record}: {len(params.table.rows)} rows")


if __name__ == "__main__":
    main()
