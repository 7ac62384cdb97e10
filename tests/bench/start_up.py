"""CPU seconds of what a person waits for: `python tests/bench/start_up.py PROJECT`.

Each command in a finished project, a new process each time; peer of `mgbench status` is DVC's own.
Least and median of some repeats: CPU seconds depend little on what else the machine does.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

import click

VAL = "predictions/experiments/{}/val.parquet"
COMMANDS = {
    "dvc status": ["dvc", "status"],
    "mgbench status": ["mgbench", "status"],
    "mgbench --help": ["mgbench", "--help"],
    "mgbench results": ["mgbench", "results"],
    "mgbench evaluate": ["mgbench", "evaluate", VAL.format("joint")],
    "mgbench fuse": ["mgbench", "fuse", VAL.format("joint"), VAL.format("rgb"), "--weights", "1,1"],
    "mgbench submit list": ["mgbench", "submit", "list"],
}


def cpu_seconds(command: list[str], project: Path) -> float:
    """Processor time of a command and of all that it starts."""
    before = os.times()
    subprocess.run(
        command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True
    )
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


@click.command()
@click.argument("project", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--repeats", default=5, show_default=True)
def main(project: Path, repeats: int) -> None:
    """Print a line per command."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    out = project / ".start_up.parquet"
    least = {}
    for name, command in COMMANDS.items():
        words = [*command, "--out", out.name] if name == "mgbench fuse" else command
        taken = [cpu_seconds(words, project) for _ in range(repeats)]
        least[name] = min(taken)
        click.echo(f"{name:<22}{least[name]:6.2f} s, median {statistics.median(taken):.2f}")
    for left in project.glob(".start_up*"):
        left.unlink()
    click.echo(
        f"mgbench status - dvc status: {least['mgbench status'] - least['dvc status']:+.2f} s"
    )


if __name__ == "__main__":
    main()
