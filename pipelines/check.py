"""Stage check: params.yaml, before DVC clears an output of any other stage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.files import write_text
from pipelines._stage import path, stage

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params import Params


@click.command()
@click.option("--out", type=path, required=True, help="What every other stage waits for.")
@stage
def main(params: Params, out: Path) -> None:
    """Refuse what does not fit together; the file always says the same, so nothing runs anew."""
    write_text(out, "params.yaml fits together\n")
    click.echo(f"wrote {out}: profile '{params.profile}'")


if __name__ == "__main__":
    main()
