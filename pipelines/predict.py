"""Stage predict: a model -> probabilities of validation and test, and its scores on validation."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.contracts.predictions import check_against, write_probabilities
from benchmark.editions.splits import Split
from benchmark.evaluation.scores import write_no_scores, write_scores
from benchmark.inference.predict import predict
from benchmark.params.params import Params
from benchmark.runtime.memory import lack_of_memory_named
from benchmark.weights.model_folder import Network
from pipelines._index import indexed

PREDICTED: tuple[Split, ...] = ("test", "val")


@command("EXPERIMENT", reads=("clips", "modality", "model"), writes=("out", "reports"))
def main(
    params: Params, name: str, index: Path, modality: Path, model: Path, out: Path, reports: Path
) -> None:
    """Average the softmax over all test views of each clip; score validation."""
    experiment, edition, clips = indexed(params, "experiments", name, index)
    recipe = params.recipes[experiment.recipe]
    # Once for both splits: a large model takes seconds to read.
    network = Network.read(model)
    for split in PREDICTED:
        of_split = clips.split(split)
        with lack_of_memory_named(name, f"recipes.{experiment.recipe}", recipe):
            found = predict(network, modality, clips, split, recipe)
        check_against(found, of_split, edition.classes)
        write_probabilities(found, out / f"{split}.parquet")
        click.echo(f"wrote {out / split}.parquet: {len(found)} clips")
        if split == "val" and not len(of_split):
            write_no_scores(reports)
        elif split == "val":
            scores = write_scores(found.aligned(of_split.ids), of_split.labels(), reports)
            click.echo(f"top-1 {100 * scores.top1:.2f} % on {edition.title}, {split}")


if __name__ == "__main__":
    main()
