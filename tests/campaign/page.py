"""The figures of a run: as a table on the screen, and as the page `docs/reliability.md`."""

from __future__ import annotations

import datetime
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from conftest import REPO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .tries import Failure, Outcome

SHOWN = 6
"""Seeds that a line names."""
ROW = re.compile(
    r"^\| `(?P<name>[a-z-]+)` \| (?P<title>.*?) \| (?P<before>.*?) \| (?P<after>.*?) \|$", re.M
)
MEASURED = re.compile(r"^- (before|after): .*$", re.M)
FIGURES = "## Figures\n"
"""Heading of the part that this module writes; people write what stands above it."""


def table(outcomes: Sequence[Outcome]) -> str:
    """Format the table of the screen, and below it each kind of failure with its seeds."""
    lines = ["", f"{'campaign':<18}{'tries':>7}{'failed':>8}{'minutes':>9}"]
    for item in outcomes:
        figures = f"{item.tries:>7}{len(item.failures):>8}{item.seconds / 60:>9.1f}"
        reason = f"  skipped: {item.skipped}" if item.skipped else ""
        lines.append(f"{item.campaign.name:<18}{figures}{reason}")
    for item in outcomes:
        for kind, group in item.kinds().items():
            lines += ["", *_kind_lines(item.campaign.name, kind, group)]
    return "\n".join(lines)


def _kind_lines(name: str, kind: str, group: Sequence[Failure]) -> list[str]:
    seeds = ", ".join(str(failure.seed) for failure in group[:SHOWN])
    more = ", ..." if len(group) > SHOWN else ""
    return [
        f"{name}: {len(group)} x {kind}",
        f"    first: {group[0].what}",
        f"    seeds: {seeds}{more}",
        f"    again: python -m tests.campaign --only {name} --seed {group[0].seed} --tries 1",
    ]


def write_page(path: Path, outcomes: Sequence[Outcome], column: str, seed: int) -> None:
    """Write the figures of the page; keep its text, and the figures that this run lacks."""
    page = path.read_text("utf-8") if path.is_file() else "# Reliability\n\n"
    text, _, old = page.partition(FIGURES)
    rows = {match["name"]: match.groupdict() for match in ROW.finditer(old)}
    measured = {match[1]: match[0] for match in MEASURED.finditer(old)}
    for item in outcomes:
        row = rows.setdefault(item.campaign.name, {"before": "-", "after": "-"})
        row["title"] = item.campaign.title
        row[column] = f"{len(item.failures)} of {item.tries}" if item.tries else "not run"
    today = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    measured[column] = f"- {column}: {today}, commit {_commit()}, seed {seed}"
    lines = ["| campaign | what is tried | before | after |", "|---|---|--:|--:|"]
    for name, row in rows.items():
        lines.append(f"| `{name}` | {row['title']} | {row['before']} | {row['after']} |")
    lines += ["", *(measured[key] for key in ("before", "after") if key in measured)]
    faults = _faults(outcomes) if column == "after" else []
    intro = "Tries that failed, of all tries, before the faults were fixed and after."
    text += FIGURES + intro + "\n\n" + "\n".join([*lines, *faults]) + "\n"
    path.write_text(text, "utf-8")


def _faults(outcomes: Sequence[Outcome]) -> list[str]:
    """List what is still wrong, with the command that shows it."""
    lines: list[str] = []
    for item in outcomes:
        for kind, group in item.kinds().items():
            again = f"--only {item.campaign.name} --seed {group[0].seed} --tries 1"
            shown = re.sub(r"[`<>|]", "'", kind)
            lines.append(f"- {len(group)} x {shown}: `python -m tests.campaign {again}`")
    return ["", "## Still wrong", *lines] if lines else []


def _commit() -> str:
    done = subprocess.run(
        ["git", "-C", str(REPO), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "none"
