"""Stage train_fold: one experiment without one fold -> model, curves and an MLflow run."""

from __future__ import annotations

from pipelines._stage import entry, existing, path, stage

from typing import TYPE_CHECKING

import click

from benchmark.contracts.clips import read_clips
from benchmark.contracts.folds import read_folds
from benchmark.editions.edition import read_edition
from benchmark.training.experiment import TrainPaths
from benchmark.training.fold import run_fold

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params


@click.command()
@click.argument("name", metavar="FOLD")
@click.option("--clips", "index", type=existing, required=True, help="The index.")
@click.option("--folds", type=existing, required=True, help="Folds of the edition.")
@click.option("--modality", type=existing, required=True, help="Folder of the prepared data.")
@click.option("--init-from", type=existing, required=True, help="Folder of the initial weights.")
@click.option("--out", type=path, required=True, help="Folder of the model.")
@click.option("--reports", type=path, required=True, help="Folder of curves and pictures.")
@click.option("--record", type=path, required=True, help="The record of the MLflow run.")
@stage
def main(params: Params, name: str, index: Path, folds: Path, **paths: Path) -> None:
    """Train FOLD, as joint-fold2, on all other folds."""
    run = entry(params.fold_graph.runs, "fold_graph.runs", name)
    clips = read_clips(index, read_edition(run.edition))
    run_fold(name, params, clips, read_folds(folds, clips), TrainPaths(**paths))
    click.echo("wrote {out}, {reports} and {record}".format(**paths))


if __name__ == "__main__":
    main()
