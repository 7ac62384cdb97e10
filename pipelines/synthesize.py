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
@click.option("--sealed", type=path, required=True, help="Folder of the test answers.")
@stage
def main(params: Params, name: str, raw: Path, sealed: Path) -> None:
    """Generate people at press conferences, in the raw layout of the iMiGUE archives."""
    synthesize(entry(params.generated, "generated", name), raw, sealed, workers=usable_cores())
    click.echo(f"wrote {raw} and {sealed}")


if __name__ == "__main__":
    main()
