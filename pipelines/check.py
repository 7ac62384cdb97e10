"""Stage check: params.yaml, and which code each stage runs; every other stage waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.core.files import replacing_folder, write_text
from benchmark.tracking.provenance import stage_digests
from pipelines._stage import path, stage

if TYPE_CHECKING:
    from benchmark.params.params import Params


@click.command()
@click.option("--out", type=path, required=True, help="Folder of a file a stage.")
@stage
def main(params: Params, out: Path) -> None:
    """Refuse params that do not fit together before DVC clears an output of any other stage."""
    digests = stage_digests(Path.cwd())
    with replacing_folder(out) as work:
        for name, text in digests.items():
            write_text(work / f"{name}.txt", text)
    click.echo(f"wrote {out}: profile '{params.preset}', code of {len(digests)} stages")


if __name__ == "__main__":
    main()
