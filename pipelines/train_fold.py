"""Stage train_fold: one experiment without one fold -> model, curves and an MLflow run."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.contracts.folds import read_folds
from benchmark.params.params import Params
from benchmark.training.experiment import TrainPaths
from benchmark.training.fold import run_fold
from pipelines._index import indexed


@command(
    "FOLD", reads=("clips", "folds", "modality", "init-from"), writes=("out", "reports", "record")
)
def main(params: Params, name: str, index: Path, folds: Path, **paths: Path) -> None:
    """Train FOLD, as joint-fold2, on all other folds."""
    _, _, clips = indexed(params, "fold_graph.runs", name, index)
    run_fold(name, params, clips, read_folds(folds, clips), TrainPaths(**paths))
    click.echo("wrote {out}, {reports} and {record}".format(**paths))


if __name__ == "__main__":
    main()
