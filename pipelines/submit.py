"""Stage submit: probabilities of the test split -> the file that the leaderboard accepts."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.challenges.challenge import read_challenge
from benchmark.contracts.predictions import check_against, read_probabilities
from benchmark.core.files import find_root
from benchmark.params.params import Params
from benchmark.tracking.sync import show_and_record
from pipelines._index import indexed
from submission.leaderboard.columns import wanted_clips
from submission.leaderboard.metadata import ingredients_of, submission_record
from submission.leaderboard.writer import write_submission


@command("SUBMISSION", reads=("clips", "probabilities"), writes=("out", "record"))
def main(
    params: Params, name: str, index: Path, probabilities: Path, out: Path, record: Path
) -> None:
    """Write SUBMISSION, an entry of section submissions, and check it against its challenge."""
    spec, edition, clips = indexed(params, "submissions", name, index)
    challenge = read_challenge(spec.challenge)
    file = probabilities / params.folder_of(spec.source) / "test.parquet"
    test = read_probabilities(file)
    check_against(test, clips.split("test"), edition.classes)
    transductive = spec.transductive or test.transductive
    made_of = ingredients_of(file, spec.source, transductive=transductive)
    written = write_submission(test, wanted_clips(challenge, clips), challenge, made_of, out)
    root = find_root()
    show_and_record(root, record, [submission_record(root, written, out)])
    guessed = f", {len(written.excluded)} excluded ones guessed" if written.excluded else ""
    click.echo(f"wrote {out}: {', '.join(written.files)}, {written.clips} clips, checked{guessed}")


if __name__ == "__main__":
    main()
