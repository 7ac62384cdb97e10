"""Stage train_fold: one experiment without one fold -> model, curves and an MLflow run."""

from __future__ import annotations

from pipelines._stage import command, entry

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.contracts.clips import read_clips
from benchmark.contracts.folds import read_folds
from benchmark.editions.edition import read_edition
from benchmark.training.experiment import TrainPaths
from benchmark.training.fold import run_fold

if TYPE_CHECKING:
    from benchmark.params.params import Params


@command(
    "FOLD", reads=("clips", "folds", "modality", "init-from"), writes=("out", "reports", "record")
)
def main(params: Params, name: str, index: Path, folds: Path, **paths: Path) -> None:
    """Train FOLD, as joint-fold2, on all other folds."""
    run = entry(params.fold_graph.runs, "fold_graph.runs", name)
    clips = read_clips(index, read_edition(run.edition))
    run_fold(name, params, clips, read_folds(folds, clips), TrainPaths(**paths))
    click.echo("wrote {out}, {reports} and {record}".format(**paths))


if __name__ == "__main__":
    main()
