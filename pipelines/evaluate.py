"""Stage evaluate: probabilities of the validation split -> metrics.json, predictions.csv."""

from __future__ import annotations

from pipelines._stage import existing, path, stage

from typing import TYPE_CHECKING

import click

from benchmark.contracts.clips import read_clips
from benchmark.contracts.predictions import check_against, read_probabilities
from benchmark.core.files import write_text
from benchmark.editions.edition import read_edition
from benchmark.evaluation.scores import all_scores, predictions_csv, write_metrics

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params


@click.command()
@click.argument("edition_name", metavar="EDITION")
@click.option("--clips", "index", type=existing, required=True, help="The index.")
@click.option("--val", type=existing, required=True, help="Probabilities of validation.")
@click.option("--out", type=path, required=True, help="Folder of the metrics.")
@stage
def main(params: Params, edition_name: str, index: Path, val: Path, out: Path) -> None:
    """Score one experiment or fusion on the validation split of EDITION."""
    edition = read_edition(edition_name)
    clips = read_clips(index, edition).split("val")
    probabilities = read_probabilities(val)
    check_against(probabilities, clips, edition.classes)
    p, labels = probabilities.aligned(clips.ids).p, clips.labels()
    scores = all_scores(p, labels)
    write_metrics(scores, out / "metrics.json")
    write_text(out / "predictions.csv", predictions_csv(clips.ids, p, labels, edition.classes))
    click.echo(f"wrote {out}: top-1 {100 * scores.top1:.2f} % on {edition.title}, val")


if __name__ == "__main__":
    main()
