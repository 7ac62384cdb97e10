"""Stage synthesize: generate a data set of gestures as raw archives."""

from __future__ import annotations

from pipelines._stage import command, entry

from pathlib import Path

import click

from benchmark.params.params import Params
from benchmark.runtime.parallel import usable_cores
from benchmark.synthetic.archive import write_archive


@command("EDITION", writes=("raw", "test-labels"))
def main(params: Params, name: str, raw: Path, test_labels: Path) -> None:
    """Generate people at press conferences, in the raw layout of the iMiGUE archives."""
    spec = entry(params.synthetic, "synthetic", name)
    write_archive(spec, raw, test_labels, workers=usable_cores())
    click.echo(f"wrote {raw} and {test_labels}")


if __name__ == "__main__":
    main()
