"""Stage synthesize_ma52: generate a data set of actions, to pre-train on, as a raw archive."""

from __future__ import annotations

from pipelines._stage import command, entry

from pathlib import Path

import click

from benchmark.params.params import Params
from benchmark.runtime.parallel import usable_cores
from benchmark.synthetic.actions_archive import write_actions


@command("EDITION", writes=("raw",))
def main(params: Params, name: str, raw: Path) -> None:
    """Generate seated people's actions, in the raw layout of Micro-Action 52."""
    spec = entry(params.synthetic_ma52, "synthetic_ma52", name)
    write_actions(spec, raw, workers=usable_cores())
    click.echo(f"wrote {raw}")


if __name__ == "__main__":
    main()
