"""Stage predict_fold: the model of a fold -> probabilities of what it never saw, and of test."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.contracts.folds import read_folds
from benchmark.contracts.predictions import write_probabilities
from benchmark.core.files import replacing_folder
from benchmark.inference.predict_fold import predict_fold
from benchmark.params.params import Params
from benchmark.runtime.memory import lack_of_memory_named
from pipelines._index import indexed


@command("FOLD", reads=("clips", "folds", "modality", "model"), writes=("out",))
def main(
    params: Params, name: str, index: Path, folds: Path, modality: Path, model: Path, out: Path
) -> None:
    """Predict with FOLD, as joint-fold2, the clips that it holds out, and test."""
    run, _, clips = indexed(params, "fold_graph.runs", name, index)
    table, recipe = read_folds(folds, clips), params.recipes[run.recipe]
    with lack_of_memory_named(name, f"recipes.{run.recipe}", recipe):
        found = predict_fold(run, recipe, clips, table, model=model, modality=modality)
    with replacing_folder(out) as work:
        for split, one in found.items():
            write_probabilities(one, work / f"{split}.parquet")
    click.echo(f"wrote {out}: " + ", ".join(f"{len(one)} {key}" for key, one in found.items()))


if __name__ == "__main__":
    main()
