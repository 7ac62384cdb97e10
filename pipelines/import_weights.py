"""Stage import_weights: a published file of weights -> initial weights."""

from __future__ import annotations

from pipelines._stage import command, entry

from pathlib import Path

import click

from benchmark.params.params import Params
from benchmark.weights.initial import write_pretrained


@command("PRETRAINED", writes=("out",))
def main(params: Params, name: str, out: Path) -> None:
    """Check the hash of the file and write its tensors to a folder that a training starts from."""
    write_pretrained(entry(params.pretrained, "pretrained", name), out)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
