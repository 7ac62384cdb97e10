"""`mgbench scores`, `mgbench fuse` and `mgbench evaluate`: work with the scores of any program.

These commands need neither torch nor DVC nor a data set.
"""

from __future__ import annotations

from pipelines._stage import existing, mistakes_shown, path

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import click
import numpy as np

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
@click.option("--stream", help="Head to read from a file with several heads, such as rgb or pose.")
@click.option("--logits", is_flag=True, help="FILE holds logits: apply softmax.")
def import_(
    file: Path, out: Path, edition_name: str | None, split: Split | None, num_classes: int | None,
    ids_file: Path | None, labels_out: Path | None, stream: str | None, logits: bool,
) -> None:  # fmt: skip
    """Convert FILE (.pkl of mmaction2 or PYSKL, .npy, .csv) to probabilities by clip id.

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
        # In a process of its own: a hostile pickle may fill the memory.
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
        name, part = challenge.edition if challenge else FOREIGN, split or ANY
        said = (*clips.said, *rescaled)
        result = Probabilities(
            name, part, out.stem, expected.classes, clips.ids, p, note="; ".join(said)
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


@click.command()
@click.argument("files", type=existing, nargs=-1, required=True)
@click.option("--weights", help="One weight per file, such as 1,1,0.5; default: equal weights.")
@out_option
def fuse(files: tuple[Path, ...], weights: str | None, out: Path) -> None:
    """Write the weighted mean of the probabilities in FILES, joined by clip id.

    A JSON file beside it records members and weights; 'mgbench submit write' copies them to
    submission.json.
    """
    from benchmark.contracts.predictions import read_probabilities, write_probabilities
    from submission.fusion.fuse import fuse as fused
    from submission.fusion.metadata import write_fusion_metadata

    with mistakes_shown():
        numbers = _numbers(weights, len(files))
        if len(set(files)) < len(files):
            raise ParamsError(
                "FILES", "a file is given twice", do="Give it a larger weight instead"
            )
        read = [read_probabilities(file) for file in files]
        # Files of different systems may have the same source name; the position makes them unique.
        members = [
            replace(one, source=f"{place:04d} {one.source}") for place, one in enumerate(read)
        ]
        given = {one.source: number for one, number in zip(members, numbers, strict=True)}
        result = fused(members, given, source=out.stem)
        write_probabilities(result, out)
        beside = write_fusion_metadata(out, dict(zip(files, numbers, strict=True)))
        click.echo(
            f"wrote {out}: {len(result)} clips of {len(files)} files, recorded in {beside.name}"
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
            "--weights", "must have one number per file",
            expected=f"{files} numbers, such as 1,0.5", found=text,
        )  # fmt: skip
    return numbers


@click.command()
@click.argument("file", type=existing)
@click.option(
    "--labels", type=existing, required=True, help="CSV with the columns clip_id and label."
)
def evaluate(file: Path, labels: Path) -> None:
    """Print all metrics of the probabilities in FILE."""
    from benchmark.contracts.foreign_table import read_labels
    from benchmark.contracts.predictions import read_probabilities
    from benchmark.evaluation.scores import all_scores

    with mistakes_shown():
        probabilities = read_probabilities(file)
        label_of = read_labels(labels, len(probabilities.classes))
        if missing := [clip for clip in probabilities.clip_id if clip not in label_of]:
            wrong = f"{len(missing)} clip(s) have no label, the first is {missing[0]}"
            raise FormatError(labels, wrong, expected=f"the clips of {file}")
        truth = np.array([label_of[clip] for clip in probabilities.clip_id], np.int64)
        metrics = all_scores(probabilities.p, truth)
        for name, value in metrics.model_dump().items():
            percent = name not in {"log_loss", "n"}
            shown = f"{100 * value:.3f} %" if percent else f"{cast('float', value):.6g}"
            click.echo(f"{name:<10} {shown}")
