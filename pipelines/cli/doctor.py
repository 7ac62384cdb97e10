"""`mgbench doctor`: what works here, what is missing, and the command that fixes it."""

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
    """Check this machine and project; exit code 2 if something must be fixed."""
    from benchmark import doctor as checks

    levels = []
    with mistakes_shown():
        for finding in chain(checks.machine(), checks.packages(), _project()):
            levels.append(finding.level)
            fix = f"  ->  {finding.do}" if finding.do else ""
            click.echo(f"{MARKS[finding.level]} {finding.what:<16} {finding.text}{fix}")
    if "fault" in levels:
        sys.exit(USER_FAULT)


def _project() -> Iterator[Finding]:
    from benchmark import doctor as checks
    from benchmark.params.params import read_params
    from benchmark.tracking.store import find_root

    try:
        root = find_root()
    except BenchmarkError as error:
        # The other checks still help somebody who has no project yet.
        yield checks.Finding("note", "project", str(error))
        return
    try:
        params = read_params(root / "params.yaml")
    except BenchmarkError as error:
        yield checks.Finding("fault", "params.yaml", str(error), "fix the keys above")
        return
    yield from checks.project(root, params)
