"""`mgbench scores import`, `mgbench fuse`, `mgbench evaluate`: scores of any program, in files.

Neither torch nor DVC nor a data set is needed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import click

from benchmark.challenges.challenge import NumberedIds, published_ids, read_challenge
from benchmark.core.errors import FormatError, ParamsError
from benchmark.core.files import csv_text, write_text
from benchmark.editions.edition import FOREIGN, Split, listed_ids, read_edition
from pipelines._stage import existing, mistakes_shown, path

if TYPE_CHECKING:
    from benchmark.challenges.challenge import Challenge


def _parquet(_: click.Context, __: click.Parameter, value: Path) -> Path:
    """The path; another ending would promise another form."""
    if value.suffix != ".parquet":
        raise click.BadParameter(f"'{value}' must end in .parquet")
    return value


out_option = click.option(
    "--out", type=path, required=True, callback=_parquet, help="Probabilities to write (.parquet)."
)


@click.group()
def scores() -> None:
    """Scores of other programs."""


@scores.command("import")
@click.argument("file", type=existing)
@out_option
@click.option("--edition", "edition_name", help="Whose clips and classes they are, or a challenge.")
@click.option("--split", type=click.Choice(get_args(Split)), help="Of the edition.")
@click.option("--num-classes", type=click.IntRange(2), help="In the place of an edition.")
@click.option("--ids", "ids_file", type=existing, help="CSV: the clip of each row, in order.")
@click.option(
    "--labels-out",
    type=click.Path(path_type=Path),
    help="CSV to write with the labels that the file tells.",
)
@click.option("--stream", help="Which head, where a dump holds several (rgb, pose).")
@click.option("--logits", is_flag=True, help="The numbers are logits: take their softmax.")
def import_(
    file: Path, out: Path, edition_name: str | None, split: Split | None, num_classes: int | None,
    ids_file: Path | None, labels_out: Path | None, stream: str | None, logits: bool,
) -> None:  # fmt: skip
    """Read FILE (mmaction2 or PYSKL .pkl, .npy, .csv) and write probabilities by clip id.

    Nothing in FILE is run.
    """
    from benchmark.contracts.external_scores import as_probabilities, read_ids, read_scores
    from benchmark.contracts.predictions import Probabilities, write_probabilities

    with mistakes_shown():
        if (edition_name is None) == (num_classes is None) or bool(edition_name) != bool(split):
            raise ParamsError(
                "scores import", "whose scores are they?",
                expected="either --edition and --split, or --num-classes",
            )  # fmt: skip
        found = read_scores(file, stream=stream)
        challenge = None if edition_name is None else read_challenge(edition_name)
        edition = None if challenge is None else read_edition(challenge.edition)
        classes = edition.classes if edition else tuple(map(str, range(num_classes or 0)))
        if found.p.shape[1] != len(classes):
            raise FormatError(
                file, "another number of classes", expected=str(len(classes)),
                found=str(found.p.shape[1]),
            )  # fmt: skip
        ids = tuple(read_ids(ids_file)) if ids_file else found.ids
        if ids is None:
            ids = _ids_of(challenge, split, len(found.p))
        if len(ids) != len(found.p):
            raise FormatError(
                file, "not one row a clip", expected=f"{len(ids)} rows", found=str(len(found.p))
            )
        p = as_probabilities(found.p, logits=logits, where=file)
        name, part = edition.name if edition else FOREIGN, split or "any"
        write_probabilities(Probabilities(name, part, out.stem, classes, ids, p), out)
        click.echo(f"wrote {out}: {len(ids)} clips, {len(classes)} classes")
        if labels_out is not None:
            if found.labels is None:
                raise FormatError(file, "tells no labels", do="Leave --labels-out out")
            rows = zip(ids, found.labels, strict=True)
            write_text(labels_out, csv_text(["clip_id", "label"], rows))
            click.echo(f"wrote {labels_out}")


def _ids_of(challenge: Challenge | None, split: Split | None, rows: int) -> tuple[str, ...]:
    """Of the leaderboard's list or of the index; without an edition, row numbers."""
    if challenge is None or split is None:
        return tuple(f"row{row:06d}" for row in range(rows))
    edition = read_edition(challenge.edition)
    if split == "test" and isinstance(challenge.ids, NumberedIds):
        return tuple(published_ids(challenge) or ())
    index = Path("data", edition.name, "clips.parquet")
    if index.is_file():
        from benchmark.contracts.clips import read_clips

        return tuple(read_clips(index, edition).split(split).ids)
    if (listed := listed_ids(edition, split)) is None:
        raise FormatError(
            index, "no such file, and nobody published the order of these clips",
            do=f"Run 'dvc repro index@{edition.name}', or name the clips with --ids",
        )  # fmt: skip
    return tuple(listed)


@click.command()
@click.argument("files", type=existing, nargs=-1, required=True)
@click.option("--weights", help="One a file, such as 1,1,0.5; equal ones if not given.")
@out_option
def fuse(files: tuple[Path, ...], weights: str | None, out: Path) -> None:
    """Write the weighted mean of probabilities FILES, joined by clip id.

    What it is made of goes beside it, for the submission.json of 'mgbench submit write'.
    """
    from benchmark.contracts.predictions import read_probabilities, write_probabilities
    from submission.fusion.fuse import fuse as fused
    from submission.fusion.metadata import write_fusion_metadata

    with mistakes_shown():
        numbers = _numbers(weights, len(files))
        if len(set(files)) < len(files):
            raise ParamsError("FILES", "one comes twice", do="Give it a larger weight")
        read = [read_probabilities(file) for file in files]
        # Two files may come from systems of one name; within this call the place tells them apart.
        members = [
            replace(one, source=f"{place:04d} {one.source}") for place, one in enumerate(read)
        ]
        given = {one.source: number for one, number in zip(members, numbers, strict=True)}
        result = fused(members, given, source=out.stem)
        write_probabilities(result, out)
        beside = write_fusion_metadata(out, dict(zip(files, numbers, strict=True)))
        click.echo(
            f"wrote {out}: {len(result)} clips of {len(files)} files; {beside.name} says how"
        )


def _numbers(text: str | None, files: int) -> list[float]:
    if text is None:
        return [1.0] * files
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != files:
        raise ParamsError(
            "--weights", "not one number a file", expected=f"{files} numbers, such as 1,0.5",
            found=text,
        )  # fmt: skip
    return numbers


@click.command()
@click.argument("file", type=existing)
@click.option("--labels", type=existing, required=True, help="CSV: clip_id,label.")
def evaluate(file: Path, labels: Path) -> None:
    """Print every metric of probabilities FILE."""
    from benchmark.contracts.external_scores import read_labels
    from benchmark.contracts.predictions import read_probabilities
    from benchmark.evaluation.scores import all_scores

    with mistakes_shown():
        found = read_probabilities(file)
        metrics = all_scores(found.p, read_labels(labels, found.clip_id))
        for name, value in metrics.model_dump().items():
            percent = name not in {"log_loss", "n"}
            shown = f"{100 * value:.3f} %" if percent else f"{cast('float', value):.6g}"
            click.echo(f"{name:<10} {shown}")
