"""Stage estimate: as prepare, for modality that a network of an earlier stage makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.contracts.clips import read_clips
from benchmark.editions.edition import read_edition
from benchmark.runtime.parallel import usable_cores
from pipelines._stage import entry, existing, path, stage

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params


@click.command()
@click.argument("name", metavar="MEDIA")
@click.option("--raw", type=existing, required=True, help="Folder of the archives.")
@click.option("--clips", "index", type=existing, required=True, help="The index.")
@click.option("--out", type=path, required=True, help="Folder of the prepared clips.")
@stage
def main(params: Params, name: str, raw: Path, index: Path, out: Path) -> None:
    """Make the entry MEDIA of params.yaml's estimates."""
    spec = entry(params.estimates, "estimates", name)
    edition = read_edition(spec.edition)
    clips = read_clips(index, edition)
    spec.prepare(raw, edition, clips, out, workers=usable_cores())
    click.echo(f"wrote {out}: {len(clips)} clips")


if __name__ == "__main__":
    main()
