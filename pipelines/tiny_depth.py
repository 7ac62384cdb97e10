"""Stage tiny_depth: train a small depth network on generated people; one MLflow run."""

from __future__ import annotations

from pipelines._stage import entry, path, stage

from typing import TYPE_CHECKING

import click

from benchmark.modalities.depth.tiny_training import train
from benchmark.tracking.run import track
from benchmark.tracking.store import TRAIN, find_root

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params


@click.command()
@click.argument("name", metavar="NETWORK")
@click.option("--out", type=path, required=True, help="Folder of the network.")
@click.option(
    "--picture", type=path, required=True,
    help="PNG of estimated depth on people who were not trained on.",
)  # fmt: skip
@click.option("--record", type=path, required=True, help="The run's record.")
@stage
def main(params: Params, name: str, out: Path, picture: Path, record: Path) -> None:
    """Train NETWORK, which estimates depth, on frames of generated people."""
    spec = entry(params.tiny_depth, "tiny_depth", name)
    with track(
        find_root(), experiment=TRAIN, name=name, record=record, artifacts=[picture],
        params={"tiny_depth": spec.model_dump(mode="json")},
        tags={"kind": "training", "edition": spec.people},
    ) as run:  # fmt: skip
        train(spec, params.synthetic[spec.people], out, picture=picture, report=run.metrics)
    click.echo(f"wrote {out}, {picture} and {record}")


if __name__ == "__main__":
    main()
