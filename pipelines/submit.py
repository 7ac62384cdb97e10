"""Stage submit: probabilities of the test split -> the file that the leaderboard takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.clips import read_clips
from benchmark.editions import read_edition
from benchmark.predictions import check_against, read_probabilities
from pipelines._stage import entry, existing, path, stage
from submission.writer import write_submission

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params import Params


@click.command()
@click.argument("name", metavar="SUBMISSION")
@click.option("--clips", "index", type=existing, required=True, help="The index.")
@click.option("--test", type=existing, required=True, help="Probabilities of the test split.")
@click.option("--out", type=path, required=True, help="Folder of the CSV and its zip.")
@stage
def main(params: Params, name: str, index: Path, test: Path, out: Path) -> None:
    """Write SUBMISSION, read it back and check it against its edition."""
    edition = read_edition(entry(params.submissions, "submissions", name).edition)
    clips = read_clips(index, edition)
    found = read_probabilities(test)
    rows = clips.split("test")
    check_against(found, rows, edition.classes)
    written = write_submission(found, clips, edition, out)
    guessed = f", {len(rows.left_out)} of them left out and guessed" if rows.left_out else ""
    click.echo(f"wrote {written} and its zip: {len(rows.listed)} rows, checked{guessed}")


if __name__ == "__main__":
    main()
