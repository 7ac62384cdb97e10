"""Stage predict: a model -> probabilities of the validation and the test split."""

from __future__ import annotations

from pipelines._stage import entry, existing, path, stage

from typing import TYPE_CHECKING

import click

from benchmark.contracts.clips import read_clips
from benchmark.contracts.predictions import check_against, write_probabilities
from benchmark.editions.edition import Split, read_edition
from benchmark.inference.predict import predict

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params

PREDICTED: tuple[Split, ...] = ("val", "test")


@click.command()
@click.argument("name", metavar="EXPERIMENT")
@click.option("--clips", "index", type=existing, required=True, help="The index.")
@click.option("--modality", type=existing, required=True, help="Folder of the prepared data.")
@click.option("--model", type=existing, required=True, help="Folder of the model.")
@click.option("--out", type=path, required=True, help="Folder of the probabilities.")
@stage
def main(params: Params, name: str, index: Path, modality: Path, model: Path, out: Path) -> None:
    """Average the softmax over all test views of each clip."""
    experiment = entry(params.experiments, "experiments", name)
    edition = read_edition(experiment.edition)
    clips = read_clips(index, edition)
    for split in PREDICTED:
        probabilities = predict(model, modality, clips, split, params.recipes[experiment.recipe])
        check_against(probabilities, clips.split(split), edition.classes)
        write_probabilities(probabilities, out / f"{split}.parquet")
        click.echo(f"wrote {out / split}.parquet: {len(probabilities)} clips")


if __name__ == "__main__":
    main()
