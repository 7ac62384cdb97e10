"""Lanes: processes that share out the campaigns, so that two cores have work."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from .commands import kill_everything
from .forked import forked_attempts
from .lab import Lab
from .tries import Campaign, Failure, NotHere, Outcome, attempts


class Job(NamedTuple):
    """One campaign with its part of the tries and of the time."""

    campaign: Campaign
    seeds: range
    seconds: float


def run_in_lanes(folder: Path, jobs: Sequence[Job], lanes: int) -> list[Outcome]:
    """Run the jobs in several processes; return their outcomes, on Ctrl-C those so far."""
    shares: list[list[Job]] = [[] for _ in range(min(lanes, len(jobs)))]
    # The longest first, each to the lane that has the least to do.
    for job in sorted(jobs, key=lambda job: -job.campaign.minutes):
        min(shares, key=lambda share: sum(item.campaign.minutes for item in share)).append(job)
    files = [folder / f"lane-{lane}.json" for lane in range(len(shares))]
    children = []
    for lane, (share, file) in enumerate(zip(shares, files, strict=True)):
        file.unlink(missing_ok=True)
        children.append(
            _fork(lambda share=share, file=file, lane=lane: _lane(folder, share, file, lane))
        )
    for child in children:
        while True:
            try:
                os.waitpid(child, 0)
                break
            except KeyboardInterrupt:
                print("\ninterrupted: the table so far", file=sys.stderr)
                for other in children:
                    with suppress(ProcessLookupError):
                        os.kill(other, signal.SIGINT)
    order = [job.campaign for job in jobs]
    outcomes = [outcome for file in files for outcome in _read(file, order)]
    return sorted(outcomes, key=lambda outcome: order.index(outcome.campaign))


def _fork(work: Callable[[], None]) -> int:
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            # A campaign that fails itself must not look like one without failures.
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(0)
    return child


def _lane(folder: Path, jobs: Sequence[Job], file: Path, lane: int) -> None:
    """Run the jobs of one lane, one after the other, and write what came of them to `file`."""
    outcomes: list[Outcome] = []
    try:
        lab = Lab(folder, lane)
        lab.clear()
        for job in jobs:
            outcomes.append(Outcome(job.campaign))
            _run(lab, outcomes[-1], job, lane)
            _write(file, outcomes)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        kill_everything()
    finally:
        _write(file, outcomes)
        lab.clear()


def _run(lab: Lab, outcome: Outcome, job: Job, lane: int) -> None:
    """Do the tries of one campaign and show the first failure of each kind as it comes."""
    started = time.monotonic()
    item = job.campaign
    try:
        attempt = item.start(lab)
    except NotHere as reason:
        outcome.skipped = str(reason)
        return
    every = forked_attempts if item.forked else attempts
    often = 0.2 if sys.stderr.isatty() else 30.0
    bar = tqdm(total=len(job.seeds), desc=item.name, unit="try", mininterval=often, position=lane,
               leave=False)  # fmt: skip
    try:
        for seed, tried in every(attempt, job.seeds, started + job.seconds):
            is_new = outcome.add(seed, tried)
            bar.update()
            bar.set_postfix(failed=len(outcome.failures), refresh=False)
            if is_new:
                shown = f"{item.name} {seed}: {tried.what}: {tried.fault[:1500]}"
                bar.write(shown, sys.stdout)
    finally:
        outcome.seconds = time.monotonic() - started
        bar.close()
        lab.clear()


def _write(file: Path, outcomes: Sequence[Outcome]) -> None:
    content = [
        (item.campaign.name, item.tries, item.seconds, item.skipped, item.failures)
        for item in outcomes
    ]
    work = file.with_suffix(".new")
    work.write_text(json.dumps(content), "utf-8")
    work.replace(file)


def _read(file: Path, campaigns: Sequence[Campaign]) -> list[Outcome]:
    if not file.is_file():
        return []
    by_name = {item.name: item for item in campaigns}
    return [
        Outcome(by_name[name], tries, seconds, skipped, [Failure(*one) for one in failures])
        for name, tries, seconds, skipped, failures in json.loads(file.read_text("utf-8"))
    ]
