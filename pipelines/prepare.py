"""Stage prepare: raw archives and index -> clips of one modality in shards."""

from __future__ import annotations

from pipelines._stage import entry, existing, path, stage

from pathlib import Path

import click

from benchmark.contracts.clips import read_clips
from benchmark.editions.edition import read_edition
from benchmark.params.params import Params
from benchmark.runtime.parallel import usable_cores


@click.command()
@click.argument("name", metavar="MODALITY")
@click.option("--raw", type=existing, required=True, help="Folder of the raw archives.")
@click.option("--clips", "index", type=existing, required=True, help="Index (clips.parquet).")
@click.option("--out", type=path, required=True, help="Folder to write the prepared clips to.")
@stage
def main(params: Params, name: str, raw: Path, index: Path, out: Path) -> None:
    """Extract MODALITY, an entry of section modalities, from every clip of its edition."""
    spec = entry(params.modalities, "modalities", name)
    edition = read_edition(spec.edition)
    clips = read_clips(index, edition)
    spec.prepare(raw, edition, clips, out, workers=usable_cores())
    click.echo(f"wrote {out}: {len(clips)} clips")


if __name__ == "__main__":
    main()
