"""Run the campaigns: seeded accidents and hostile files against the whole program."""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does: `conftest`, `tiny_project` ...
import conftest  # before torch: it sets one thread per library

from . import (
    fuzz_models,
    fuzz_own,
    fuzz_params,
    fuzz_records,
    fuzz_scores,
    fuzz_tables,
    kills,
    markup,
    places,
    scarce,
    writers,
)
from .lab import Lab
from .lanes import Job, run_in_lanes
from .page import table, write_page
from .tries import Campaign

MODULES = (
    kills,
    scarce,
    fuzz_params,
    fuzz_own,
    fuzz_records,
    fuzz_tables,
    fuzz_scores,
    fuzz_models,
    markup,
    writers,
    places,
)
CAMPAIGNS: tuple[Campaign, ...] = tuple(item for module in MODULES for item in module.CAMPAIGNS)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--only", metavar="NAMES", help="names or beginnings, such as kills,fuzz")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first try (default 0)")
    parser.add_argument(
        "--tries", type=int, help="tries of each campaign, instead of its own number"
    )
    parser.add_argument("--share", type=float, default=1.0, help="share of all tries, such as 0.1")
    parser.add_argument("--minutes", type=float, help="most minutes for all campaigns together")
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side (default 2)")
    parser.add_argument("--lab", type=Path, help="folder of the tiny project and of the copies")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the figures to this page")
    parser.add_argument(
        "--as",
        dest="column",
        choices=("before", "after"),
        default="after",
        help="which column of the page --write replaces",
    )
    parser.add_argument("--list", action="store_true", help="list the campaigns and leave")
    return parser.parse_args()


def _default_lab() -> Path:
    """Return a folder of this checkout, so that two checkouts do not share a tiny project."""
    checkout = hashlib.sha256(str(conftest.REPO).encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"mgbench-campaign-{checkout}"


def _chosen(names: str | None) -> list[Campaign]:
    if not names:
        return list(CAMPAIGNS)
    wanted = tuple(names.split(","))
    for name in wanted:
        if not any(item.name.startswith(name) for item in CAMPAIGNS):
            sys.exit(
                f"no campaign '{name}'; there are: " + ", ".join(item.name for item in CAMPAIGNS)
            )
    return [item for item in CAMPAIGNS if item.name.startswith(wanted)]


def main() -> int:
    """Run what the arguments choose; return 1 if a try failed."""
    # Both end a campaign with its table, also where a shell has the program ignore Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    given = _arguments()
    chosen = _chosen(given.only)
    if given.list:
        for item in CAMPAIGNS:
            print(f"{item.name:18} {item.tries:5} tries, {item.minutes:4.1f} min  {item.title}")
        return 0
    print(f"seed {given.seed}; {len(chosen)} campaigns")
    folder = (given.lab or _default_lab()).resolve()
    lab = Lab(folder)  # named, because it holds the lock of the folder as long as it lives
    lab.build()
    nominal = sum(item.minutes for item in chosen) / min(given.jobs, len(chosen))
    jobs = []
    for item in chosen:
        tries = given.tries or max(1, round(item.tries * given.share))
        seconds = 60 * item.minutes * given.minutes / nominal if given.minutes else float("inf")
        jobs.append(Job(item, range(given.seed, given.seed + tries), seconds))
    outcomes = run_in_lanes(folder, jobs, given.jobs)
    print(table(outcomes))
    if given.write:
        write_page(given.write, outcomes, given.column, given.seed)
        print(f"wrote {given.write}")
    return int(any(outcome.failures for outcome in outcomes))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
