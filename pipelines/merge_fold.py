"""Stage merge_fold: two models of a fold -> initial weights of a network with two pathways."""

from __future__ import annotations

from pipelines._stage import command, entry

from typing import TYPE_CHECKING

import click

from benchmark.weights.initial import write_merged_weights

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params


@command("MERGE", reads=("rgb", "pose"), writes=("out",))
def main(params: Params, name: str, rgb: Path, pose: Path, out: Path) -> None:
    """Write two models of one fold as one folder that a training of the fold starts from."""
    entry(params.fold_graph.merges, "fold_graph.merges", name)
    write_merged_weights(rgb, pose, out)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
