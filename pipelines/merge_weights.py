"""Stage merge_weights: two trained models -> initial weights of a network with two pathways."""

from __future__ import annotations

from pipelines._stage import entry, existing, path, stage

from typing import TYPE_CHECKING

import click

from benchmark.weights.initial import write_merged_weights

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params


@click.command()
@click.argument("name", metavar="MERGE")
@click.option("--rgb", type=existing, required=True, help="Model of the RGB pathway.")
@click.option("--pose", type=existing, required=True, help="Model of the pose pathway.")
@click.option("--out", type=path, required=True, help="Folder for the initial weights.")
@stage
def main(params: Params, name: str, rgb: Path, pose: Path, out: Path) -> None:
    """Write two models as one folder that a training starts from."""
    entry({**params.merges, **params.fold_graph.merges}, "merges", name)
    write_merged_weights(rgb, pose, out)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
