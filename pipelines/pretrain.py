"""Stage pretrain: windows without labels -> initial weights, pictures and an MLflow run."""

from __future__ import annotations

from pipelines._stage import entry, existing, path, stage

from pathlib import Path

import click

from benchmark.params.params import Params
from benchmark.training.pretraining import PretrainPaths, run


@click.command()
@click.argument("name", metavar="PRETRAINING")
@click.option("--windows", type=existing, required=True, help="Folder of the windows.")
@click.option("--init-from", type=existing, required=True, help="Folder of the initial weights.")
@click.option("--out", type=path, required=True, help="Folder of the weights.")
@click.option("--reports", type=path, required=True, help="Folder of curve and pictures.")
@click.option("--record", type=path, required=True, help="The record of the MLflow run.")
@stage
def main(params: Params, name: str, **paths: Path) -> None:
    """Pre-train PRETRAINING, resuming from its checkpoint if an earlier call was stopped."""
    entry(params.pretraining, "pretraining", name)
    run(name, params, PretrainPaths(**paths))
    click.echo("wrote {out}, {reports} and {record}".format(**paths))


if __name__ == "__main__":
    main()
