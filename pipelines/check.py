"""Stage check: checks params.yaml and hashes the code of each stage; all others wait for it."""

from __future__ import annotations

from pipelines._stage import path, stage

from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.archives.union import archive_module
from benchmark.core.files import replacing_folder, write_text
from benchmark.tracking.provenance import stage_code

if TYPE_CHECKING:
    from benchmark.params.params import Params


@click.command()
@click.option("--out", type=path, required=True, help="Folder of one file per stage or entry.")
@stage
def main(params: Params, out: Path) -> None:
    """Refuse params that do not fit together before DVC clears an output of any other stage."""
    code = stage_code(Path.cwd(), params, archive_module)
    with replacing_folder(out) as work:
        for name, text in code.items():
            write_text(work / f"{name}.txt", text)
    click.echo(f"wrote {out}: preset '{params.preset}', code of {len(code)} entries")


if __name__ == "__main__":
    main()
