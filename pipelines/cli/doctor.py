"""`mgbench doctor`: what works here, what is missing, and the command that fixes it."""

from __future__ import annotations

from pipelines._stage import PARAMS, USER_FAULT, read_params

import sys
from collections.abc import Iterator
from itertools import chain

import click

from benchmark.core.errors import BenchmarkError
from benchmark.core.files import find_root
from benchmark.core.findings import Finding, has_fault

WIDTH = 16
"""Of the column of names."""


@click.command()
def doctor() -> None:
    """Check this machine and project; exit code 2 if something must be fixed.

    Example: mgbench doctor
    """
    from benchmark import doctor as checks

    findings = []
    for finding in chain(checks.machine(), checks.packages(), _project()):
        findings.append(finding)
        click.echo(finding.line(WIDTH))
    if has_fault(findings):
        sys.exit(USER_FAULT)


def _project() -> Iterator[Finding]:
    from benchmark import doctor as checks
    from benchmark.challenges.challenge import challenge_names, published_ids, read_challenge

    for name in challenge_names():
        try:
            published_ids(read_challenge(name))
        except BenchmarkError as error:
            yield Finding("fault", str(error), f"challenge {name}", "fix the file")
    try:
        root = find_root()
    except BenchmarkError as error:
        # The other checks still help somebody who has no project yet.
        yield Finding("note", str(error), "project")
        return
    try:
        params = read_params(root / PARAMS)
    except BenchmarkError as error:
        yield Finding("fault", str(error), "params.yaml", "fix the keys above")
        return
    yield from checks.project(root, params)
