"""`mgbench scores`: import the scores of any program, without torch, DVC or a data set."""

from __future__ import annotations

from pipelines._stage import existing, mistakes_shown, path

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from benchmark.challenges.challenge import NumberedIds, published_ids, read_challenge
from benchmark.core.errors import FormatError, ParamsError
from benchmark.core.files import csv_text, write_text
from benchmark.editions.edition import FOREIGN, Split, listed_ids, read_edition

if TYPE_CHECKING:
    from benchmark.challenges.challenge import Challenge
    from benchmark.contracts.joined_scores import Expected


def _parquet(_: click.Context, __: click.Parameter, value: Path) -> Path:
    if value.suffix != ".parquet":
        raise click.BadParameter(f"'{value}' must end in .parquet, the format that is written")
    return value


out_option = click.option(
    "--out",
    type=path,
    required=True,
    callback=_parquet,
    help="File of probabilities to write (.parquet).",
)


@click.group()
def scores() -> None:
    """Import the scores of other programs."""


@scores.command("import")
@click.argument("file", type=existing)
@out_option
@click.option(
    "--edition", "edition_name", help="Edition or challenge that defines clips and classes."
)
@click.option("--split", type=click.Choice(get_args(Split)), help="Split of the edition.")
@click.option(
    "--num-classes", type=click.IntRange(2), help="Number of classes, instead of --edition."
)
@click.option(
    "--ids", "ids_file", type=existing, help="CSV with the clip id of each row, in order."
)
@click.option(
    "--labels-out",
    type=click.Path(path_type=Path),
    help="CSV to write the labels to that FILE contains.",
)
@click.option(
    "--name", help="Name of the system, the same for all its files; by default that of --out."
)
@click.option("--stream", help="Head to read from a file with several heads, such as rgb or pose.")
@click.option("--logits", is_flag=True, help="FILE holds logits: apply softmax.")
def import_(
    file: Path, out: Path, edition_name: str | None, split: Split | None, num_classes: int | None,
    ids_file: Path | None, labels_out: Path | None, name: str | None, stream: str | None,
    logits: bool,
) -> None:  # fmt: skip
    """Convert FILE (.pkl of mmaction2 or PYSKL, .npy, .csv) to probabilities by clip id.

    Example: mgbench scores import mine.pkl --edition imigue --split val --name mine --out v.parquet

    A .pkl is parsed safely: no code in it runs.
    """
    from benchmark.contracts.external_scores import Scores, read_scores
    from benchmark.contracts.joined_scores import as_probabilities, joined
    from benchmark.contracts.predictions import ANY, Probabilities, write_probabilities
    from benchmark.core.isolated import isolated

    with mistakes_shown():
        if (edition_name is None) == (num_classes is None) or bool(edition_name) != bool(split):
            raise ParamsError(
                "scores import", "clips and classes are not defined",
                expected="either --edition and --split, or --num-classes",
            )  # fmt: skip
        challenge = None if edition_name is None else read_challenge(edition_name)
        # In a process of its own: a hostile pickle may crash it or fill the memory.
        found = Scores(*isolated(read_scores, file, stream))
        expected = _expected(challenge, split, num_classes, ids_file)
        if found.ids is None and expected.ids is None and challenge is not None:
            raise FormatError(
                expected.source, "no such file, and no published list orders these clips",
                do=f"Run 'dvc repro index@{challenge.edition}', or pass --ids",
            )  # fmt: skip
        clips = joined(found, expected, where=file)
        p, rescaled = as_probabilities(clips.p, logits=logits, where=file)
        edition, part = challenge.edition if challenge else FOREIGN, split or ANY
        said = (*clips.said, *rescaled)
        result = Probabilities(
            edition, part, name or out.stem, expected.classes, clips.ids, p, note="; ".join(said)
        )
        write_probabilities(result, out)
        for line in said:
            click.echo(line, err=True)
        click.echo(f"wrote {out}: {len(clips.ids)} clips, {len(expected.classes)} classes")
        if labels_out is not None:
            if found.labels is None or None in found.labels:
                raise FormatError(file, "contains no label per clip", do="Omit --labels-out")
            rows = zip(clips.ids, found.labels, strict=True)
            write_text(labels_out, csv_text(["clip_id", "label"], rows))
            click.echo(f"wrote {labels_out}")


def _expected(
    challenge: Challenge | None, split: Split | None, num_classes: int | None,
    ids_file: Path | None,
) -> Expected:  # fmt: skip
    """Gather what the project knows of the clips: classes, ids in their order, labels.

    Args:
        challenge: Edition or challenge that defines clips and classes.
        split: Split of the edition.
        num_classes: Number of classes where there is no challenge.
        ids_file: CSV with the clip id of each row, instead of the project's list.
    """
    from benchmark.contracts.foreign_table import read_ids
    from benchmark.contracts.joined_scores import Expected

    named = tuple(read_ids(ids_file)) if ids_file else None
    if challenge is None or split is None:
        classes = tuple(map(str, range(num_classes or 0)))
        return Expected(classes, named, {}, str(ids_file or "the file"))
    edition, suffix = read_edition(challenge.edition), challenge.form.id_suffix
    # The index lists exactly the clips of the archive; a published list is the fallback.
    index = Path("data", edition.name, "clips.parquet")
    numbered = split == "test" and isinstance(challenge.ids, NumberedIds)
    labels: dict[str, int] = {}
    if numbered:
        ids, source = published_ids(challenge), f"challenge {challenge.name}"
    elif index.is_file():
        from benchmark.contracts.clips import read_clips

        clips = read_clips(index, edition).split(split)
        ids, source = clips.ids, str(index)
        labels = {clip.clip_id: clip.label for clip in clips if clip.label is not None}
    else:
        ids, source = listed_ids(edition, split), f"the published list of {edition.name}"
    known = None if ids is None else tuple(ids)
    if named:
        known, source = named, str(ids_file)
    return Expected(edition.classes, known, labels, source if known else str(index), suffix)
