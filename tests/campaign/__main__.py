"""Run the campaigns: seeded accidents and hostile files against the whole program."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does: `conftest`, `tiny_project` ...
from tqdm import tqdm

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
from .forked import forked_attempts
from .lab import Lab
from .page import table, write_page
from .tries import Campaign, NotHere, Outcome, Tried, attempts

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
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--share", type=float, default=1.0, help="share of all tries, such as 0.1")
    size.add_argument("--minutes", type=float, help="time for all chosen campaigns together")
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
    given = _arguments()
    chosen = _chosen(given.only)
    if given.list:
        for item in CAMPAIGNS:
            print(f"{item.name:18} {item.tries:5} tries, {item.minutes:4.1f} min  {item.title}")
        return 0
    print(f"seed {given.seed}; {len(chosen)} campaigns")
    outcomes: list[Outcome] = []
    try:
        lab = Lab(given.lab or _default_lab())
        lab.build()
        nominal = sum(item.minutes for item in chosen)
        share = given.minutes / nominal if given.minutes else given.share
        for item in chosen:
            tries = given.tries or max(1, round(item.tries * min(share, 1.0)))
            seconds = 60 * item.minutes * share if given.minutes else float("inf")
            outcomes.append(Outcome(item))
            _run(lab, outcomes[-1], range(given.seed, given.seed + tries), seconds)
    except KeyboardInterrupt:
        print("\ninterrupted: the table so far", file=sys.stderr)
    print(table(outcomes))
    if given.write:
        write_page(given.write, outcomes, given.column, given.seed)
        print(f"wrote {given.write}")
    return int(any(outcome.failures for outcome in outcomes))


def _run(lab: Lab, outcome: Outcome, seeds: range, seconds: float) -> None:
    """Do the tries of one campaign and show each failure as it comes."""
    started = time.monotonic()
    item = outcome.campaign
    try:
        attempt = item.start(lab)
    except NotHere as reason:
        outcome.skipped = str(reason)
        print(f"{item.name}: skipped: {reason}")
        return
    every = forked_attempts if item.forked else attempts
    slow = None if sys.stderr.isatty() else 30.0
    with tqdm(total=len(seeds), desc=item.name, unit="try", mininterval=slow or 0.2) as bar:
        results: Iterator[tuple[int, Tried]] = every(attempt, seeds, started + seconds)
        try:
            for seed, tried in results:
                outcome.add(seed, tried)
                bar.update()
                bar.set_postfix(failed=len(outcome.failures), refresh=False)
                if tried.fault and len(outcome.kinds()) <= 30 and _is_new(outcome):
                    bar.write(f"{item.name} {seed}: {tried.what}: {tried.fault[:1500]}", sys.stdout)
        finally:
            outcome.seconds = time.monotonic() - started
            lab.clear()


def _is_new(outcome: Outcome) -> bool:
    """Tell whether the last failure is the first one of its kind."""
    last = outcome.failures[-1]
    return any(group[0] is last for group in outcome.kinds().values())


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
