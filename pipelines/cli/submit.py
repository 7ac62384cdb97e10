"""`mgbench submit`: files for leaderboards, from the probabilities of any program."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.core.errors import BenchmarkError, ParamsError
from pipelines._stage import existing, mistakes_shown, path

if TYPE_CHECKING:
    from benchmark.challenges.challenge import Challenge
    from benchmark.contracts.clips import Clips
    from submission.leaderboard.columns import Wanted
    from submission.leaderboard.metadata import SubmissionMetadata

EDITION = "A challenge, such as miga2025, or an edition."

edition_option = click.option("--edition", "name", required=True, help=EDITION)
ids_option = click.option(
    "--ids", "ids_file", type=existing, help="CSV: the clips that it asks for, in order."
)


@click.group()
def submit() -> None:
    """Files for leaderboards."""


@submit.command("list")
def list_() -> None:
    """Name every challenge, its file, and what of it is assumed."""
    from benchmark.challenges.challenge import challenge_names, read_challenge
    from benchmark.editions.edition import edition_names

    editions = set(edition_names())
    for own, title in ((False, "Challenges:"), (True, "Editions, in the plain form of each:")):
        click.echo(title)
        for name in challenge_names():
            if (name in editions) != own:
                continue
            challenge = read_challenge(name)
            assumed = f" (assumed: {challenge.assumed})" if challenge.assumed else ""
            click.echo(f"  {name:<12} {challenge.form.file:<15} {challenge.title}{assumed}")


@submit.command()
@click.argument("file", type=existing)
@edition_option
@click.option("--out", type=path, required=True, help="Folder to write, replaced as a whole.")
@ids_option
@click.option("--transductive", is_flag=True, help="Test clips took part in training or fusing.")
def write(file: Path, name: str, out: Path, ids_file: Path | None, transductive: bool) -> None:
    """Write probabilities FILE as the CSV and zip that the leaderboard takes."""
    from benchmark.contracts.predictions import read_probabilities
    from submission.leaderboard.metadata import ingredients_of
    from submission.leaderboard.writer import write_submission

    with mistakes_shown():
        challenge, wanted = _wanted(name, ids_file)
        shown, out = out, out.resolve()
        _check_folder(out, {challenge.form.file, challenge.form.zip})
        found = read_probabilities(file)
        made_of = ingredients_of(file, found.source, transductive=transductive)
        metadata = write_submission(found, wanted, challenge, made_of, out)
        click.echo(f"wrote {shown}: {', '.join(metadata.files)}, {metadata.clips} clips, checked")
        if metadata.assumed:
            click.echo(f"nobody has confirmed this of the form: {metadata.assumed}")
        _record(metadata, out)


def _check_folder(out: Path, ours: set[str]) -> None:
    """Refuse a folder that holds anything but an earlier submission: it is replaced as a whole.

    `ours` are the names of the CSV and its zip.
    """
    from submission.leaderboard.metadata import METADATA

    held = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    others = [name for name in held if name not in {*ours, METADATA}]
    if held and METADATA not in held:
        others = held
    wrong = ", ".join(others[:3]) or ("a file" if out.exists() and not out.is_dir() else "")
    if out == Path.cwd():
        wrong = "this folder"
    if wrong:
        raise ParamsError(
            "--out", f"{out} is not a folder of one submission", expected="a new folder",
            found=wrong,
        )  # fmt: skip


def _record(metadata: SubmissionMetadata, out: Path) -> None:
    """Keep it as a run where a project is; `mgbench ui` shows it."""
    from benchmark.tracking.records import write_records
    from benchmark.tracking.store import find_root
    from submission.leaderboard.metadata import submission_record

    try:
        root = find_root()
    except BenchmarkError:
        click.echo("outside of a project: no run is kept, submission.json tells all")
        return
    # Two folders of one name, in different places, are two submissions.
    place = hashlib.sha256(str(out).encode()).hexdigest()[:8]
    record = root / "runs" / f"submission-{metadata.challenge}-{out.name}-{place}.json"
    write_records(record, [submission_record(root, metadata, out)])
    click.echo(f"its run: {record.relative_to(root)}, shown by 'mgbench ui' or 'mgbench sync'")


def _wanted(name: str, ids_file: Path | None) -> tuple[Challenge, Wanted]:
    """The challenge and the clips that it asks for, by its list, the index or `ids_file`."""
    from benchmark.challenges.challenge import EditionIds, read_challenge
    from benchmark.contracts.external_scores import read_ids
    from submission.leaderboard.columns import wanted_clips

    challenge = read_challenge(name)
    suffix = challenge.form.id_suffix
    named = [clip.removesuffix(suffix) for clip in read_ids(ids_file)] if ids_file else None
    own = isinstance(challenge.ids, EditionIds) and named is None
    clips = _index(challenge.edition) if own else None
    return challenge, wanted_clips(challenge, clips, named)


def _index(edition: str) -> Clips | None:
    from benchmark.tracking.store import find_root

    try:
        file = find_root() / "data" / edition / "clips.parquet"
    except BenchmarkError:
        return None
    if not file.is_file():
        return None
    from benchmark.contracts.clips import read_clips
    from benchmark.editions.edition import read_edition

    return read_clips(file, read_edition(edition))


@submit.command()
@click.argument("file", type=existing)
@edition_option
@ids_option
def check(file: Path, name: str, ids_file: Path | None) -> None:
    """Name every fault of FILE, a CSV or the zip of one, and how to mend it."""
    with mistakes_shown():
        click.echo(_checked(file, name, ids_file))


def _checked(file: Path, name: str, ids_file: Path | None) -> str:
    from benchmark.editions.edition import read_edition
    from submission.leaderboard.checks import check_submission

    if file.is_dir():
        raise ParamsError(file, "a folder", expected="the CSV in it, or the zip")
    challenge, wanted = _wanted(name, ids_file)
    check_submission(file, wanted.ids, challenge.form, read_edition(challenge.edition))
    return f"{file}: {len(wanted.ids)} clips, as {challenge.name} takes them"


@submit.command()
@click.argument("file", type=existing)
@edition_option
@ids_option
@click.option("--competition", help="Kaggle's name of it, where the challenge's file has none.")
@click.option("--message", default="mgbench", show_default=True, help="Shown beside the score.")
@click.option("--send", is_flag=True, help="Really send it; without this, only check and say.")
def upload(
    file: Path, name: str, ids_file: Path | None, competition: str | None, message: str, send: bool
) -> None:
    """Check FILE and send it to Kaggle; the key is the one of Kaggle's client."""
    from benchmark.challenges.challenge import Kaggle, read_challenge
    from submission.leaderboard import kaggle

    with mistakes_shown():
        click.echo(_checked(file, name, ids_file))
        place = read_challenge(name).place
        if not isinstance(place, Kaggle):
            raise ParamsError(
                f"challenge {name}", "does not take files through Kaggle", found=place.page,
                do="Upload the zip on its page",
            )  # fmt: skip
        if (target := competition or place.competition) is None:
            raise ParamsError(
                f"challenge {name}", "the name of its competition is not known",
                do="Give it with --competition, as in the address of its page",
            )  # fmt: skip
        if not send:
            click.echo(f"would send it to {target} as '{message}': add --send to do it")
            return
        click.echo(f"Kaggle: {kaggle.upload(file, target, message)}")


@submit.command()
@click.argument("one", type=existing)
@click.argument("two", type=existing)
@click.option("--edition", "name", help=f"{EDITION} Shows names of classes.")
def diff(one: Path, two: Path, name: str | None) -> None:
    """Say how many answers of ONE and TWO differ, and between which classes."""
    from submission.leaderboard.diff import MOVES, differences

    with mistakes_shown():
        names, column = _names(name)
        found = differences(one, two, column=column)
        share = 100 * found.different / found.clips
        click.echo(
            f"{found.different} of {found.clips} clips are answered otherwise ({share:.2f} %)"
        )
        if (rest := found.different - sum(clips for *_, clips in found.moves)) > 0:
            click.echo(f"{rest:>6}  in other columns alone")
        for first, second, clips in found.moves[:MOVES]:
            click.echo(f"{clips:>6}  {names.get(first, first)} -> {names.get(second, second)}")
        if len(found.moves) > MOVES:
            rest = sum(clips for *_, clips in found.moves[MOVES:])
            click.echo(f"{rest:>6}  between {len(found.moves) - MOVES} other pairs")


def _names(name: str | None) -> tuple[dict[str, str], int]:
    """Answer -> the same with the name of its class, and the column of classes."""
    if name is None:
        return {}, 0
    from benchmark.challenges.challenge import read_challenge
    from benchmark.editions.edition import read_edition

    challenge = read_challenge(name)
    form, classes = challenge.form, read_edition(challenge.edition).classes
    column = next(i for i, one in enumerate(form.columns) if one.level == "class")
    numbers = enumerate(classes, form.label_base)
    return {str(number): f"{number} {label}" for number, label in numbers}, column
