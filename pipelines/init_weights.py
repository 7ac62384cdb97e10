"""Stage init_weights: the initial weights `scratch`, which are none."""

from __future__ import annotations

from pipelines._stage import path, stage

from typing import TYPE_CHECKING

import click

from benchmark.weights.initial import write_no_weights

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params


@click.command()
@click.option("--out", type=path, required=True, help="Folder for the initial weights.")
@stage
def main(params: Params, out: Path) -> None:
    """Write the folder `scratch`: a training from it initializes its network itself."""
    write_no_weights(out)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
