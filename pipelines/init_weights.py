"""Stage init_weights: the initial weights that need no training here: the zoo's, and none."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.params.params import Params
from benchmark.weights.cards import write_starts
from benchmark.weights.initial import write_no_weights


@command(writes=("scratch", "zoo"))
def main(params: Params, scratch: Path, zoo: Path) -> None:
    """Write the folder `scratch`, and a model folder for each network of the zoo."""
    write_no_weights(scratch)
    write_starts(zoo)
    click.echo(f"wrote {scratch} and {zoo}")


if __name__ == "__main__":
    main()
