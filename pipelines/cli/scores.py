"""`mgbench scores`: import the scores of any program, without torch, DVC or a data set."""

from __future__ import annotations

from pipelines._stage import existing, path

from dataclasses import replace
from pathlib import Path
from typing import get_args

import click

from benchmark.core.errors import FormatError, ParamsError
from benchmark.core.files import csv_text, write_text
from benchmark.editions.splits import Split
from pipelines.cli.group import Group
from pipelines.cli.options import Finite, check_outputs

RESAMPLES = 2000


def _parquet(_: click.Context, __: click.Parameter, value: Path) -> Path:
    if value.suffix != ".parquet":
        raise click.BadParameter(f"'{value}' must end in .parquet, the format that is written")
    return value


out_option = click.option(
    "--out", type=path, required=True, callback=_parquet,
    help="File of probabilities to write (.parquet).",
)  # fmt: skip


@click.group(cls=Group)
def scores() -> None:
    """Import the scores of other programs."""


@scores.command("import")
@click.argument("file", type=existing)
@out_option
@click.option("--edition", help="Edition or challenge that defines clips and classes.")
@click.option("--split", type=click.Choice(get_args(Split)), help="Split of the edition.")
@click.option(
    "--num-classes", type=click.IntRange(2), help="Number of classes, instead of --edition."
)
@click.option(
    "--ids", "ids_file", type=existing, help="CSV with the clip id of each row, in order."
)
@click.option("--labels-out", type=path, help="CSV to write the labels to that FILE contains.")
@click.option(
    "--name", help="Name of the system, the same for all its files; by default that of --out."
)
@click.option("--head", help="Head to read from a file with several, such as rgb or pose.")
@click.option("--logits", is_flag=True, help="FILE holds logits: apply softmax.")
def import_(
    file: Path, out: Path, edition: str | None, split: Split | None, num_classes: int | None,
    ids_file: Path | None, labels_out: Path | None, name: str | None, head: str | None,
    logits: bool,
) -> None:  # fmt: skip
    """Convert FILE (.pkl of mmaction2 or PYSKL, .npy, .csv) to probabilities by clip id.

    Example: mgbench scores import mine.pkl --edition imigue --split val --name mine --out v.parquet

    A .pkl is parsed safely: no code in it runs.
    """
    from benchmark.challenges.challenge import read_challenge
    from benchmark.contracts.clips import index_file
    from benchmark.contracts.predictions import write_probabilities
    from benchmark.results.import_scores import import_scores, numbered_target, target_of

    check_outputs({"--out": out, "--labels-out": labels_out}, (file, ids_file))
    if (edition is None) == (num_classes is None) or bool(edition) != bool(split):
        raise ParamsError(
            "scores import", "clips and classes are not defined",
            expected="either --edition and --split, or --num-classes",
        )  # fmt: skip
    if edition is None or split is None:
        target = numbered_target(num_classes or 0, ids_file)
    else:
        challenge = read_challenge(edition)
        index = index_file(challenge.edition)
        target = target_of(challenge, split, index, ids_file)
    found = import_scores(file, name or out.stem, target, head=head, logits=logits)
    write_probabilities(found.probabilities, out)
    for line in found.said:
        click.echo(line, err=True)
    clips, classes = found.probabilities.clip_id, found.probabilities.classes
    click.echo(f"wrote {out}: {len(clips)} clips, {len(classes)} classes")
    if labels_out is not None:
        if found.labels is None or None in found.labels:
            raise FormatError(file, "contains no label per clip", do="Omit --labels-out")
        rows = zip(clips, found.labels, strict=True)
        write_text(labels_out, csv_text(["clip_id", "label"], rows))
        click.echo(f"wrote {labels_out}")


@scores.command()
@click.argument("file", type=existing)
@click.option("--edition", "name", required=True, help="Edition whose videos are scored.")
@click.option(
    "--split", type=click.Choice(get_args(Split)), default="val", show_default=True,
    help="Split of the edition.",
)  # fmt: skip
@click.option("--labels", type=existing, help="CSV clip_id,label, where the edition lacks labels.")
@click.option("--least", type=Finite(), help="Least score that counts for F1; all count if absent.")
@click.option("--out", type=path, help="File of intervals to write (.parquet).")
def online(
    file: Path, name: str, split: Split, labels: Path | None, least: float | None, out: Path | None
) -> None:
    """Score the gestures that FILE finds in whole videos: OpenTAD's JSON, or a folder of csv.

    Example: mgbench scores online result_detection.json --edition imigue --split val

    OpenTAD's segments are seconds; it lists hundreds of candidates, so give --least for F1. A
    folder holds NAME_prediction.csv per video, with class numbers and frames as in the label
    files. The index of the edition has the labels.
    """
    from benchmark.contracts.clips import index_file, read_clips
    from benchmark.contracts.intervals import labeled, write_intervals
    from benchmark.editions.edition import read_edition
    from benchmark.evaluation.online import online_scores
    from benchmark.results.known_labels import split_labels
    from benchmark.results.online import scores_lines
    from benchmark.results.sequence_files import Sequences, read_found

    check_outputs({"--out": out}, (file, labels))
    edition = read_edition(name)
    clips = read_clips(index_file(name), edition)
    found = read_found(file, Sequences.of(edition, clips, split), file.stem)
    if least is not None:
        found = replace(found, least=(least,) * len(found.classes))
    part = clips.split(split)
    truth = labeled(part, split_labels(clips, split, labels), edition.classes)
    for line in scores_lines(online_scores(truth, found, resamples=RESAMPLES, seed=0)):
        click.echo(line)
    if out is not None:
        write_intervals(found, out)
        click.echo(f"wrote {out}: {len(found)} intervals")
