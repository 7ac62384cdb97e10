"""Stage train: one experiment -> model, curves and an MLflow run."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.params.params import Params
from benchmark.training.experiment import TrainPaths, run
from pipelines._index import indexed


@command(
    "EXPERIMENT", reads=("clips", "modality", "init-from"), writes=("out", "reports", "record")
)
def main(params: Params, name: str, index: Path, **paths: Path) -> None:
    """Train EXPERIMENT, resuming from its checkpoint if an earlier call was stopped."""
    _, _, clips = indexed(params, "experiments", name, index)
    run(name, params, clips, TrainPaths(**paths))
    click.echo("wrote {out}, {reports} and {record}".format(**paths))


if __name__ == "__main__":
    main()
