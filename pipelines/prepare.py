"""Stage prepare: raw archives and index -> clips of one modality in shards."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.params.params import Params
from benchmark.runtime.parallel import usable_cores
from pipelines._index import indexed


@command("MODALITY", reads=("raw", "clips"), writes=("out",))
def main(params: Params, name: str, raw: Path, index: Path, out: Path) -> None:
    """Extract MODALITY, an entry of section modalities, from every clip of its edition."""
    spec, edition, clips = indexed(params, "modalities", name, index)
    spec.prepare(raw, edition, clips, out, workers=usable_cores())
    click.echo(f"wrote {out}: {len(clips)} clips")


if __name__ == "__main__":
    main()
