"""`mgbench doctor`: what is fine, what is missing, and the one command that mends it."""

from __future__ import annotations

import sys
from itertools import chain
from typing import TYPE_CHECKING

import click

from benchmark.core.errors import BenchmarkError
from pipelines._stage import USER_FAULT, mistakes_shown
from pipelines.cli.data import MARKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark.doctor import Finding


@click.command()
def doctor() -> None:
    """Say what this machine and project have and lack; exit code 2 if something must be mended."""
    from benchmark import doctor as checks

    levels = []
    with mistakes_shown():
        for found in chain(checks.machine(), checks.packages(), _project()):
            levels.append(found.level)
            mend = f"  ->  {found.do}" if found.do else ""
            click.echo(f"{MARKS[found.level]} {found.what:<16} {found.text}{mend}")
    if "fault" in levels:
        sys.exit(USER_FAULT)


def _project() -> Iterator[Finding]:
    from benchmark import doctor as checks
    from benchmark.params.params import read_params
    from benchmark.tracking.store import find_root

    try:
        root = find_root()
    except BenchmarkError as error:
        yield checks.Finding("note", "project", str(error))
        return
    try:
        params = read_params(root / "params.yaml")
    except BenchmarkError as error:
        yield checks.Finding("fault", "params.yaml", str(error), "mend what it names")
        return
    yield from checks.project(root, params)
