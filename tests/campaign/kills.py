"""Kills at random moments of every stage: the next `dvc repro` ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path
from random import Random

from .commands import MARK, alive, environment, kill_all, run
from .lab import Lab, forget, is_volatile, parts, read_lock, tree_hash
from .tries import Attempt, Campaign, Tried

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TARGETS = ("stage", "dvc", "group")
ORPHAN_SECONDS = 5.0
REPRO = ("dvc", "repro", "--no-run-cache")
MODULE = re.compile(r"-m pipelines\.")
"""What DVC's own command line lacks and that of a stage holds."""


def start(lab: Lab) -> Attempt:
    """Learn the length of a stage from its first undisturbed run, and keep it in the lab."""
    return lambda seed: _kill(lab, seed)


def _kill(lab: Lab, seed: int) -> Tried:
    rng = Random(seed)
    # In turn and not drawn, so that few tries reach every stage.
    names = sorted(lab.stages)
    stage = names[seed * 7 % len(names)]
    number, target = rng.choice(SIGNALS), rng.choice(TARGETS)
    # Early moments count double: starts of processes are short and full of faults.
    share = rng.choice((rng.uniform(0, 1.05), rng.uniform(0, 0.3)))
    delay = share * _length(lab, stage)
    root = lab.copy("project")
    forget(root, lab.outs(stage))
    what = f"{stage}: {number.name} to the {target} {delay:.2f} s after the stage began"
    faults = _struck(root, stage, number, target, delay)
    faults += _repaired(lab, root)
    return Tried(what, "\n".join(faults))


def _length(lab: Lab, stage: str) -> float:
    """Return how many seconds the process of a stage lives if nothing disturbs it."""
    file = lab.folder / "lengths.json"
    lengths = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    if stage not in lengths:
        root = lab.copy("project")
        forget(root, lab.outs(stage))
        lengths[stage] = _seconds(root, stage)
        file.write_text(json.dumps(lengths, indent=1), "utf-8")
    return lengths[stage]


def _seconds(root: Path, stage: str) -> float:
    variables = environment(root)
    child = _begin(root, stage, variables)
    begin = _wait_for_stage(child, variables[MARK])
    child.wait()
    return max(0.5, time.monotonic() - begin)


def _begin(root: Path, stage: str, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    with (root / ".kill.log").open("wb") as log:
        return subprocess.Popen(
            [*REPRO, "-s", "-f", stage],
            cwd=root,
            env=variables,
            start_new_session=True,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _wait_for_stage(child: subprocess.Popen[bytes], mark: str) -> float:
    while child.poll() is None and not _stage_process(mark):
        time.sleep(0.01)
    return time.monotonic()


def _stage_process(mark: str) -> int | None:
    """Return the process of the stage: the oldest one that runs a module of `pipelines`."""
    found = [process for process, command in alive(mark).items() if MODULE.search(command)]
    return min(found, default=None)


def _struck(root: Path, stage: str, number: signal.Signals, target: str, delay: float) -> list[str]:
    """Run a stage, send it the signal, and return what is wrong with its death."""
    variables = environment(root)
    mark = variables[MARK]
    child = _begin(root, stage, variables)
    begin = _wait_for_stage(child, mark)
    while time.monotonic() < begin + delay and child.poll() is None:
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        if target == "group":
            os.killpg(child.pid, number)
        elif target == "dvc":
            os.kill(child.pid, number)
        elif process := _stage_process(mark):
            os.kill(process, number)
    faults = []
    try:
        child.wait(60)
    except subprocess.TimeoutExpired:
        faults.append(f"hang: dvc lives 60 s after {number.name} to the {target}")
        child.kill()
    # DVC waits for a stage that it did not kill: the time of orphans begins when DVC is gone.
    end = time.monotonic() + ORPHAN_SECONDS
    while (left := alive(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    if left:
        faults.append(f"{len(left)} process(es) live on\n{next(iter(left.values()))[:100]}")
        kill_all(mark)
    log = (root / ".kill.log").read_text("utf-8", "replace")
    if number != signal.SIGKILL and "Traceback (most recent call last)" in log:
        faults.append("traceback after " + number.name + "\n" + log[-1500:])
    return faults


def _repaired(lab: Lab, root: Path) -> list[str]:
    """Run `dvc repro` and `mgbench sync`; return how the project differs from the finished one."""
    again = run(root, *REPRO, timeout=400)
    if again.rc:
        return [f"the next dvc repro fails with {again.rc}\n{again.out[-2500:]}"]
    faults = []
    synced = run(root, "mgbench", "sync")
    if synced.rc:
        faults.append(f"mgbench sync fails with {synced.rc}\n{synced.out[-1500:]}")
    for stage, entry in lab.stages.items():
        for path in (out["path"] for out in entry.get("outs", ())):
            if not is_volatile(path) and tree_hash(root / path) != tree_hash(lab.finished / path):
                faults.append(f"other bytes: {path} of {stage}")
    if _plain(read_lock(root)) != _plain(lab.stages):
        faults.append("dvc.lock differs")
    if left := parts(root):
        faults.append(f"left over: {', '.join(left[:5])}")
    with closing(sqlite3.connect(root / "mlruns/mlflow.db")) as store:
        (running,) = store.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchone()
    if running:
        faults.append(f"{running} MLflow run(s) are still RUNNING")
    return faults


def _plain(lock: dict[str, dict]) -> dict[str, object]:
    """Keep of a lock what equal runs share: commands, params, and hashes without run records."""
    kept: dict[str, object] = {}
    for name, stage in lock.items():
        files = {
            entry["path"]: entry.get("md5")
            for kind in ("deps", "outs")
            for entry in stage.get(kind, ())
            if not is_volatile(entry["path"]) and entry["path"] != "reports/experiments"
        }
        kept[name] = (stage["cmd"], stage.get("params"), files)
    return kept


CAMPAIGNS = (
    Campaign(
        "kills",
        "-9, TERM and INT to a stage, to dvc and to the whole group, then `dvc repro` again",
        tries=66,
        minutes=22,
        start=start,
    ),
)
