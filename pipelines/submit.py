"""Stage submit: probabilities of the test split -> the file that the leaderboard takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.challenges.challenge import read_challenge
from benchmark.contracts.clips import read_clips
from benchmark.contracts.predictions import check_against, read_probabilities
from benchmark.editions.edition import read_edition
from benchmark.tracking.records import write_records
from benchmark.tracking.store import find_root
from benchmark.tracking.sync import log_records
from pipelines._stage import entry, existing, path, stage
from submission.leaderboard.columns import wanted_clips
from submission.leaderboard.metadata import ingredients_of, submission_record
from submission.leaderboard.writer import write_submission

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params


@click.command()
@click.argument("name", metavar="SUBMISSION")
@click.option("--clips", "index", type=existing, required=True, help="The index.")
@click.option("--probabilities", type=existing, required=True, help="Folder of all of them.")
@click.option("--out", type=path, required=True, help="Folder of the CSV and its zip.")
@click.option("--record", type=path, required=True, help="The run's record.")
@stage
def main(
    params: Params, name: str, index: Path, probabilities: Path, out: Path, record: Path
) -> None:
    """Write SUBMISSION, read it back and check it against its challenge."""
    spec = entry(params.submissions, "submissions", name)
    challenge, edition = read_challenge(spec.challenge), read_edition(spec.edition)
    clips = read_clips(index, edition)
    test = probabilities / params.folder_of(spec.source) / "test.parquet"
    found = read_probabilities(test)
    check_against(found, clips.split("test"), edition.classes)
    made_of = ingredients_of(test, spec.source, transductive=spec.transductive)
    written = write_submission(found, wanted_clips(challenge, clips), challenge, made_of, out)
    root = find_root()
    records = [submission_record(root, written, out)]
    log_records(root, records)
    write_records(record, records)
    guessed = f", {len(written.excluded)} of them left out and guessed" if written.excluded else ""
    click.echo(f"wrote {out}: {', '.join(written.files)}, {written.clips} clips, checked{guessed}")


if __name__ == "__main__":
    main()
