"""Stage tiny_depth: the small depth network, trained on generated people; one MLflow run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.modalities.depth.tiny_training import train
from benchmark.tracking import TRAIN, find_root, track
from pipelines._stage import path, stage

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params import Params


@click.command()
@click.option("--out", type=path, required=True, help="Folder of the network.")
@click.option("--picture", type=path, required=True, help="What it sees in people unknown to it.")
@click.option("--record", type=path, required=True, help="The run's record.")
@stage
def main(params: Params, out: Path, picture: Path, record: Path) -> None:
    """Train the network that finds depth in frames of generated people."""
    with track(
        find_root(),
        experiment=TRAIN,
        name="tiny_depth",
        params={"tiny_depth": params.tiny_depth.model_dump(mode="json")},
        tags={"kind": "training", "edition": "mimic"},
        record=record,
        artifacts=[picture],
    ) as run:
        train(params.tiny_depth, params.mimic, out, picture=picture, report=run.metrics)
    click.echo(f"wrote {out}, {picture} and {record}")


if __name__ == "__main__":
    main()
