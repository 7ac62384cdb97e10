"""Stage evaluate: probabilities of the validation split -> metrics.json, predictions.csv."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.contracts.clips import read_clips
from benchmark.contracts.predictions import check_against, read_probabilities
from benchmark.core.files import write_text
from benchmark.editions.edition import read_edition
from benchmark.evaluation.metrics import score, write_metrics
from benchmark.evaluation.predictions_csv import predictions_csv
from pipelines._stage import existing, path, stage

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
    found = read_probabilities(val)
    check_against(found, clips, edition.classes)
    p, labels = found.aligned(clips.ids).p, clips.labels()
    metrics = score(p, labels)
    write_metrics(metrics, out / "metrics.json")
    write_text(out / "predictions.csv", predictions_csv(clips.ids, p, labels, edition.classes))
    click.echo(f"wrote {out}: top-1 {100 * metrics.top1:.2f} % on {edition.title}, val")


if __name__ == "__main__":
    main()
