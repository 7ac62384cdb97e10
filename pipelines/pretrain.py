"""Stage pretrain: windows without labels -> initial weights, pictures and an MLflow run."""

from __future__ import annotations

from pipelines._stage import command, entry

from pathlib import Path

import click

from benchmark.params.params import Params
from benchmark.training.pretraining import PretrainPaths, run


@command("PRETRAINING", reads=("windows", "init-from"), writes=("out", "reports", "record"))
def main(params: Params, name: str, **paths: Path) -> None:
    """Pre-train PRETRAINING, resuming from its checkpoint if an earlier call was stopped."""
    entry(params.pretraining, "pretraining", name)
    run(name, params, PretrainPaths(**paths))
    click.echo("wrote {out}, {reports} and {record}".format(**paths))


if __name__ == "__main__":
    main()
