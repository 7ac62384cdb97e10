"""`mgbench submit`: leaderboard files from the probabilities of any program."""

from __future__ import annotations

from pipelines._stage import existing, path

import hashlib
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.core.errors import BenchmarkError, FaultList, ParamsError
from benchmark.core.files import find_root, replacing
from pipelines.cli.group import Group

if TYPE_CHECKING:
    from benchmark.challenges.challenge import Challenge
    from benchmark.contracts.clips import Clips
    from benchmark.editions.splits import Split
    from submission.leaderboard.columns import Wanted

EDITION = "Challenge, such as miga2025, or edition."

edition_option = click.option("--edition", "name", required=True, help=EDITION)
ids_option = click.option(
    "--ids", "ids_file", type=existing,
    help="CSV with the clip ids that the challenge expects, in order.",
)  # fmt: skip


@click.group(cls=Group)
def submit() -> None:
    """Write, check, compare and upload leaderboard files."""


@submit.command("list")
def list_() -> None:
    """List all challenges, their files, and which rules of a file are assumed.

    Example: mgbench submit list
    """
    from benchmark.challenges.challenge import challenge_names, published_ids, read_challenge
    from benchmark.editions.edition import edition_names

    editions, faults = set(edition_names()), FaultList()
    titles = {False: "Challenges:", True: "Editions, each in its own format:"}
    for are_editions, title in titles.items():
        click.echo(title)
        for name in challenge_names():
            if (name in editions) != are_editions:
                continue
            with faults.collected():
                challenge = read_challenge(name)
                published_ids(challenge)
                assumed = f" (assumed: {challenge.assumed})" if challenge.assumed else ""
                line = f"  {name:<12} {challenge.form.file:<15} {challenge.title}"
                click.echo(f"{line}; ranked by {challenge.ranking}{assumed}")
    faults.raise_any("not listed")


@submit.command()
@click.argument("file", type=existing)
@edition_option
@click.option(
    "--out", type=path, required=True,
    help="Folder to write; an earlier submission in it is replaced.",
)  # fmt: skip
@ids_option
@click.option(
    "--transductive", is_flag=True,
    help="State that unlabeled test clips took part in training or fusing.",
)  # fmt: skip
def write(file: Path, name: str, out: Path, ids_file: Path | None, transductive: bool) -> None:
    """Write the probabilities in FILE as the CSV and zip that the leaderboard accepts.

    Example: mgbench submit write fused.parquet --edition miga2025 --out submissions/mine
    """
    from benchmark.contracts.predictions import read_probabilities
    from benchmark.tracking.records import write_records
    from submission.leaderboard.metadata import METADATA, ingredients_of, submission_record
    from submission.leaderboard.writer import write_submission

    challenge, wanted = _wanted(name, ids_file)
    # Messages show the user's path; the record of the run needs an absolute one.
    shown, out = out, out.resolve()
    files = {challenge.form.file, challenge.form.zip, METADATA}
    # Without submission.json nothing says that a prediction.csv in the folder is ours.
    _check_folder(out, METADATA, lambda name: name in files)
    probabilities = read_probabilities(file)
    transductive = transductive or probabilities.transductive
    made_of = ingredients_of(file, probabilities.source, transductive=transductive)
    root = _project()
    record = root and _record_file(root, challenge.name, out)
    with replacing(record) if record else nullcontext() as work:
        metadata = write_submission(probabilities, wanted, challenge, made_of, out)
        if root and work:
            write_records(work, [submission_record(root, metadata, out)])
    click.echo(f"wrote {shown}: {', '.join(metadata.files)}, {metadata.clips} clips, checked")
    if metadata.assumed:
        click.echo(f"not confirmed by the organizers: {metadata.assumed}")
    if root and record:
        click.echo(f"recorded as {record.relative_to(root)}; 'mgbench ui' shows the run")
    else:
        click.echo("outside of a project: submission.json is the only record")


def _check_folder(out: Path, mark: str, is_ours: Callable[[str], bool]) -> None:
    """Refuse a folder that holds anything but an earlier submission, because we replace it whole.

    `mark` is a file that only a folder of ours has; `is_ours` tells of the name of each file
    whether it may be in one.
    """
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    foreign = [name for name in names if mark not in names or not is_ours(name)]
    if out == Path.cwd():
        found = "the current folder"
    elif out.exists() and not out.is_dir():
        found = "a file"
    else:
        found = ", ".join(foreign[:3])
    if found:
        raise ParamsError(
            "--out", f"{out} is not a folder of one submission", expected="a new folder",
            found=found,
        )  # fmt: skip


def _project() -> Path | None:
    """Return the project that the command runs in, if any."""
    try:
        return find_root()
    except BenchmarkError:
        return None


def _record_file(root: Path, challenge: str, out: Path) -> Path:
    # Folders of the same name in different places are different submissions.
    place = hashlib.sha256(str(out).encode()).hexdigest()[:8]
    return root / "runs" / f"submission-{challenge}-{out.name}-{place}.json"


def _wanted(name: str, ids_file: Path | None) -> tuple[Challenge, Wanted]:
    """Read a challenge, and the clips that it expects from `ids_file`, its list or the index."""
    from benchmark.challenges.challenge import EditionIds, read_challenge
    from benchmark.contracts.foreign_table import read_ids
    from submission.leaderboard.columns import wanted_clips

    challenge = read_challenge(name)
    suffix = challenge.form.id_suffix
    given = [clip.removesuffix(suffix) for clip in read_ids(ids_file)] if ids_file else None
    needs_index = isinstance(challenge.ids, EditionIds) and given is None
    clips = _index(challenge.edition) if needs_index else None
    return challenge, wanted_clips(challenge, clips, given)


def _index(edition: str) -> Clips | None:
    from benchmark.contracts.clips import index_file, read_clips
    from benchmark.editions.edition import read_edition

    # Without a project, an index alone is enough, as for the other commands about scores.
    file = index_file(edition, _project() or Path())
    if not file.is_file():
        return None
    return read_clips(file, read_edition(edition))


@submit.command()
@click.argument("file", type=existing)
@edition_option
@ids_option
def check(file: Path, name: str, ids_file: Path | None) -> None:
    """List everything that is wrong with FILE, a CSV or its zip, and how to fix it.

    Example: mgbench submit check prediction.csv --edition miga2025
    """
    click.echo(_checked(file, name, ids_file))


def _checked(file: Path, name: str, ids_file: Path | None) -> str:
    from submission.leaderboard.checks import check_submission

    if file.is_dir():
        raise ParamsError(file, "is a folder", expected="the CSV in it, or the zip")
    challenge, wanted = _wanted(name, ids_file)
    check_submission(file, wanted.ids, challenge)
    return f"{file}: {len(wanted.ids)} clips, valid for {challenge.name}"


@submit.command()
@click.argument("file", type=existing)
@edition_option
@ids_option
@click.option("--competition", help="Kaggle's name of the competition, if ours is unknown.")
@click.option(
    "--message", default="mgbench", show_default=True,
    help="Text that Kaggle shows beside the score.",
)  # fmt: skip
@click.option("--send", is_flag=True, help="Send the file; without this option, only check it.")
def upload(
    file: Path, name: str, ids_file: Path | None, competition: str | None, message: str, send: bool
) -> None:
    """Check FILE and send it to Kaggle, with the API key of Kaggle's own client.

    Example: mgbench submit upload prediction.csv --edition miga2025
    """
    from benchmark.challenges.challenge import Kaggle, read_challenge
    from submission.leaderboard import kaggle

    # Leaderboards limit the uploads per day, so a broken file must not use one up.
    click.echo(_checked(file, name, ids_file))
    place = read_challenge(name).place
    if not isinstance(place, Kaggle):
        raise ParamsError(
            f"challenge {name}", "does not accept files through Kaggle",
            do=f"Upload the zip by hand; its page: {place.page}",
        )  # fmt: skip
    if (target := competition or place.competition) is None:
        raise ParamsError(
            f"challenge {name}", "the name of its competition is unknown",
            do="Pass --competition with the name in the address of its page",
        )  # fmt: skip
    if not send:
        click.echo(f"would send it to {target} as '{message}'; add --send to send it")
        return
    click.echo(f"Kaggle: {kaggle.upload(file, target, message)}")


@submit.command()
@click.argument("one", type=existing)
@click.argument("two", type=existing)
@click.option("--edition", "name", help=f"{EDITION} Prints class names instead of numbers.")
def diff(one: Path, two: Path, name: str | None) -> None:
    """Count the predictions that differ between ONE and TWO, by pair of classes.

    Example: mgbench submit diff one.csv two.csv --edition miga2025
    """
    from submission.leaderboard.diff import MOVES, differences

    names, column = _names(name)
    result = differences(one, two, column=column)
    share = 100 * result.different / result.clips
    click.echo(f"{result.different} of {result.clips} clips differ ({share:.2f} %)")
    if (elsewhere := result.different - sum(clips for *_, clips in result.moves)) > 0:
        click.echo(f"{elsewhere:>6}  in other columns only")
    for first, second, clips in result.moves[:MOVES]:
        click.echo(f"{clips:>6}  {names.get(first, first)} -> {names.get(second, second)}")
    if len(result.moves) > MOVES:
        left = sum(clips for *_, clips in result.moves[MOVES:])
        click.echo(f"{left:>6}  between {len(result.moves) - MOVES} other pairs")


def _names(name: str | None) -> tuple[dict[str, str], int]:
    """Return {predicted number: number and class name}, and the column of the predicted class."""
    if name is None:
        return {}, 0
    from benchmark.challenges.challenge import read_challenge
    from benchmark.editions.edition import read_edition

    challenge = read_challenge(name)
    form, classes = challenge.form, read_edition(challenge.edition).classes
    column = next(i for i, column in enumerate(form.columns) if column.level == "class")
    numbers = enumerate(classes, form.label_base)
    return {str(number): f"{number} {label}" for number, label in numbers}, column


@submit.command()
@click.argument("file", type=existing)
@click.option("--edition", "name", required=True, help="Edition whose videos are answered.")
@click.option(
    "--split", type=click.Choice(("val", "test")), default="test", show_default=True,
    help="Split of the edition.",
)  # fmt: skip
@click.option("--out", type=path, required=True, help="Folder to write; it is replaced.")
def online(file: Path, name: str, split: Split, out: Path) -> None:
    """Write the gestures in FILE as one csv per video, and their zip, and check them.

    Example: mgbench submit online predictions/online/online_joint/test.parquet --edition imigue
    --out submissions/online

    FILE is what `mgbench scores online` takes. The index of the edition names the videos.
    """
    from benchmark.contracts.clips import index_file, read_clips
    from benchmark.editions.edition import read_edition
    from benchmark.results.sequence_files import ENDING, Sequences, read_found
    from submission.leaderboard.sequences import ASSUMED, ZIP, write_sequences

    edition = read_edition(name)
    clips = read_clips(index_file(name), edition)
    sequences = Sequences.of(edition, clips, split)
    # A link to a folder would be replaced itself.
    shown, out = out, out.resolve()
    # Without the zip nothing says that the csv in the folder are ours.
    _check_folder(out, ZIP, lambda name: name == ZIP or name.endswith(ENDING))
    files = write_sequences(read_found(file, sequences, file.stem), sequences, out)
    click.echo(f"wrote {shown}: {len(files) - 1} csv and {ZIP}, checked")
    click.echo(f"not confirmed by the organizers: {ASSUMED}")
