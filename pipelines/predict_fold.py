"""Stage predict_fold: the model of a fold -> probabilities of what it never saw, and of test."""

from __future__ import annotations

from pipelines._stage import command, entry

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.contracts.clips import read_clips
from benchmark.contracts.folds import read_folds
from benchmark.contracts.predictions import write_probabilities
from benchmark.core.files import replacing_folder
from benchmark.editions.edition import read_edition
from benchmark.inference.predict_fold import predict_fold
from benchmark.runtime.memory import lack_of_memory_named

if TYPE_CHECKING:
    from benchmark.params.params import Params


@command("FOLD", reads=("clips", "folds", "modality", "model"), writes=("out",))
def main(
    params: Params, name: str, index: Path, folds: Path, modality: Path, model: Path, out: Path
) -> None:
    """Predict with FOLD, as joint-fold2, the clips that it holds out, and test."""
    run = entry(params.fold_graph.runs, "fold_graph.runs", name)
    clips = read_clips(index, read_edition(run.edition))
    table, recipe = read_folds(folds, clips), params.recipes[run.recipe]
    with lack_of_memory_named(name, f"recipes.{run.recipe}", recipe):
        found = predict_fold(run, recipe, clips, table, model=model, modality=modality)
    with replacing_folder(out) as work:
        for split, one in found.items():
            write_probabilities(one, work / f"{split}.parquet")
    click.echo(f"wrote {out}: " + ", ".join(f"{len(one)} {key}" for key, one in found.items()))


if __name__ == "__main__":
    main()
