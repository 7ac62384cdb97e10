"""Stage merge_weights: two trained models -> initial weights of a network with two pathways."""

from __future__ import annotations

from pipelines._stage import command, entry

from pathlib import Path

import click

from benchmark.params.params import Params
from benchmark.weights.initial import write_merged_weights


@command("MERGE", reads=("rgb", "pose"), writes=("out",))
def main(params: Params, name: str, rgb: Path, pose: Path, out: Path) -> None:
    """Write two models as one folder that a training starts from."""
    entry({**params.merges, **params.fold_graph.merges}, "merges", name)
    write_merged_weights(rgb, pose, out)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
