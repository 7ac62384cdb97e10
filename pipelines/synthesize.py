"""Stage synthesize: the raw archives of a generated data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.runtime.parallel import usable_cores
from benchmark.synthetic.synthesize import synthesize
from pipelines._stage import entry, path, stage

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params


@click.command()
@click.argument("name", metavar="EDITION")
@click.option("--raw", type=path, required=True, help="Folder of the archives.")
@click.option("--test-labels", type=path, required=True, help="Folder of the labels of test.")
@stage
def main(params: Params, name: str, raw: Path, test_labels: Path) -> None:
    """Generate people at press conferences, in the raw layout of the iMiGUE archives."""
    synthesize(entry(params.synthetic, "synthetic", name), raw, test_labels, workers=usable_cores())
    click.echo(f"wrote {raw} and {test_labels}")


if __name__ == "__main__":
    main()
