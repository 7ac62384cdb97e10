"""Stage train: one experiment -> model, curves and an MLflow run."""

from __future__ import annotations

from pipelines._stage import command, entry

from pathlib import Path

import click

from benchmark.contracts.clips import read_clips
from benchmark.editions.edition import read_edition
from benchmark.params.params import Params
from benchmark.training.experiment import TrainPaths, run


@command(
    "EXPERIMENT", reads=("clips", "modality", "init-from"), writes=("out", "reports", "record")
)
def main(params: Params, name: str, index: Path, **paths: Path) -> None:
    """Train EXPERIMENT, resuming from its checkpoint if an earlier call was stopped."""
    experiment = entry(params.experiments, "experiments", name)
    edition = read_edition(experiment.edition)
    run(name, params, read_clips(index, edition), TrainPaths(**paths))
    click.echo("wrote {out}, {reports} and {record}".format(**paths))


if __name__ == "__main__":
    main()
