"""Stage check: checks params.yaml and hashes the code of each stage; all others wait for it."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.archives.union import archive_module
from benchmark.core.files import replacing_folder, write_text
from benchmark.params.needs import check_archives, check_packages
from benchmark.params.params import Params
from benchmark.tracking.provenance import stage_code


@command(writes=("out",))
def main(params: Params, out: Path) -> None:
    """Refuse params that do not fit together before DVC clears an output of any other stage."""
    check_packages(params)
    check_archives(params)
    code = stage_code(Path.cwd(), params, archive_module)
    with replacing_folder(out) as work:
        for name, text in code.items():
            write_text(work / f"{name}.txt", text)
    click.echo(f"wrote {out}: preset '{params.preset}', code of {len(code)} entries")


if __name__ == "__main__":
    main()
