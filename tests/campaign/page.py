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
ROW = re.compile(r"^\| `(?P<name>[a-z-]+)` \| (?P<title>.*?) \| (?P<before>.*?) \| (?P<after>.*?) \|$", re.M)  # fmt: skip
MEASURED = re.compile(r"^- (before|after): .*$", re.M)
HEAD = """\
# Reliability

What happens when the program is killed, when a disk, memory or a file handle is missing, when a file is damaged or hostile, when names hold
markup, when several processes write at once, and when the project lies in an odd place. `make campaign` tries it, in under an hour on two
cores; `make campaign-sample` does a part in five minutes. Both first make a tiny project once (some minutes) and keep it for the next call.
They are not a part of `make test`.

Every try depends on its seed alone, and the table at the end names, for each failure, the command that repeats it:

```bash
make campaign                                    # all of it; the exit code is 1 if a try failed
python -m tests.campaign --list                  # the campaigns
python -m tests.campaign --only kills,fuzz-params --minutes 10
python -m tests.campaign --only fuzz-params --seed 417 --tries 1   # one try again
python -m tests.campaign --write docs/reliability.md --as after    # the figures below
```

A try fails if a command shows a traceback, dies of a signal, hangs, writes half an output, leaves a process or a `.part` file behind, or
accepts what is nonsense. A refusal with a message is right. [Footguns](footguns.md) says what to do about what cannot be helped.

## Figures
Failures of tries, before and after the faults were fixed:

"""


def table(outcomes: Sequence[Outcome]) -> str:
    """Format the table of the screen, and below it each kind of failure with its seeds."""
    lines = ["", f"{'campaign':<18}{'tries':>7}{'failed':>8}{'minutes':>9}"]
    for item in outcomes:
        lines.append(
            f"{item.campaign.name:<18}{item.tries:>7}{len(item.failures):>8}{item.seconds / 60:>9.1f}"
            + (f"  skipped: {item.skipped}" if item.skipped else "")
        )
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
    """Write the page; keep the figures that this run does not replace."""
    old = path.read_text("utf-8") if path.is_file() else ""
    rows = {match["name"]: match.groupdict() for match in ROW.finditer(old)}
    measured = {match[1]: match[0] for match in MEASURED.finditer(old)}
    for item in outcomes:
        row = rows.setdefault(item.campaign.name, {"before": "-", "after": "-"})
        row["title"] = item.campaign.title
        row[column] = f"{len(item.failures)} of {item.tries}" if item.tries else "not run"
    measured[column] = (
        f"- {column}: {datetime.datetime.now(datetime.UTC):%Y-%m-%d}, commit {_commit()}, seed {seed}"
    )
    lines = ["| campaign | what is tried | before | after |", "|---|---|--:|--:|"]
    for name, row in rows.items():
        lines.append(f"| `{name}` | {row['title']} | {row['before']} | {row['after']} |")
    lines += ["", *(measured[key] for key in ("before", "after") if key in measured)]
    faults = _faults(outcomes) if column == "after" else []
    path.write_text(HEAD + "\n".join([*lines, *faults]) + "\n", "utf-8")


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
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip() or "none"
