"""Stage published: a file of weights that the user brings -> a start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.weights.initial import write_pretrained
from pipelines._stage import entry, path, stage

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params


@click.command()
@click.argument("name", metavar="PUBLISHED")
@click.option("--out", type=path, required=True, help="Folder of the start.")
@stage
def main(params: Params, name: str, out: Path) -> None:
    """Check the file and keep its tensors in a folder that a training starts from."""
    write_pretrained(entry(params.pretrained, "published", name), out)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
