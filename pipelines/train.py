"""Stage train: one experiment -> model, curves and an MLflow run."""

from __future__ import annotations

from pipelines._stage import entry, existing, path, stage

from pathlib import Path

import click

from benchmark.contracts.clips import read_clips
from benchmark.editions.edition import read_edition
from benchmark.params.params import Params
from benchmark.training.experiment import TrainPaths, run


@click.command()
@click.argument("name", metavar="EXPERIMENT")
@click.option(
    "--clips", "index", type=existing, required=True, help="Index of the edition (clips.parquet)."
)
@click.option("--modality", type=existing, required=True, help="Folder of the prepared data.")
@click.option("--init-from", type=existing, required=True, help="Folder of the initial weights.")
@click.option("--out", type=path, required=True, help="Folder of the model.")
@click.option("--reports", type=path, required=True, help="Folder of curves and pictures.")
@click.option("--record", type=path, required=True, help="The record of the MLflow run.")
@stage
def main(params: Params, name: str, index: Path, **paths: Path) -> None:
    """Train EXPERIMENT, resuming from its checkpoint if an earlier call was stopped."""
    experiment = entry(params.experiments, "experiments", name)
    edition = read_edition(experiment.edition)
    run(name, params, read_clips(index, edition), TrainPaths(**paths))
    click.echo("wrote {out}, {reports} and {record}".format(**paths))


if __name__ == "__main__":
    main()
