"""Several processes that write the same thing at once: the result is that of one of them, whole."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import time
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

from .commands import MARK, SIGNS, environment, kill_all, last_error, run
from .lab import Lab, forget, parts, tree_hash
from .tries import Attempt, Campaign, Tried

MEMBERS = tuple(
    f"predictions/experiments/{name}/test.parquet" for name in ("joint", "rgb", "swin_rgb")
)
PATIENCE = 240.0


def together(root: Path, commands: Sequence[Sequence[str]], rng: Random) -> list[tuple[int, str]]:
    """Run commands at the same time; return the exit code and the output of each."""
    variables = environment(root)
    children = []
    for number, command in enumerate(commands):
        log = (root / f".writer-{number}.log").open("w+")
        children.append(
            (
                subprocess.Popen(
                    command,
                    cwd=root,
                    env=variables,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                ),
                log,
            )
        )
        time.sleep(rng.choice((0.0, rng.uniform(0, 0.5))))
    ended = []
    for child, log in children:
        try:
            code = child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            kill_all(variables[MARK])
            code = -9
        log.seek(0)
        ended.append((code, log.read()))
        log.close()
        os.unlink(log.name)  # noqa: PTH108
    return ended


def _common_faults(
    root: Path, ended: Sequence[tuple[int, str]], *, refuse: bool = False
) -> list[str]:
    faults = []
    for code, text in ended:
        if any(sign in text for sign in SIGNS):
            faults.append(f"traceback: {last_error(text)}\n{text[-1500:]}")
        elif code < 0:
            faults.append(f"hang or signal: {code}\n{text[-500:]}")
        elif code and not refuse:
            faults.append(f"exit code {code}\n{text[-800:]}")
    if left := parts(root):
        faults.append(f"left over: {', '.join(left[:3])}")
    return faults


def _sync(lab: Lab, rng: Random) -> Tried:
    root = lab.copy("project", cache=False)
    empty = rng.random() < 0.7
    if empty:
        shutil.rmtree(root / "mlruns")
    count = rng.randint(3, 5)
    ended = together(root, [["mgbench", "sync"]] * count, rng)
    faults = _common_faults(root, ended)
    records = [
        run_
        for file in (root / "runs").glob("*.json")
        for run_ in json.loads(file.read_bytes())["runs"]
    ]
    with closing(sqlite3.connect(root / "mlruns/mlflow.db")) as store:
        rows = store.execute(
            "SELECT value, count(*) FROM tags JOIN runs USING (run_uuid) WHERE key = 'run_key'"
            " AND lifecycle_stage = 'active' GROUP BY value"
        ).fetchall()
    wrong = [key for key, times in rows if times != 1]
    if wrong or len(rows) != len(records):
        faults.append(f"{len(rows)} runs of {len(records)} records, {len(wrong)} of them twice")
    return Tried(f"{count} syncs, {'empty' if empty else 'whole'} store", "\n".join(faults))


def _fuse(lab: Lab, rng: Random) -> Tried:
    root = lab.copy("project", cache=False)
    weights = ["1,1,1", "1,2,3", "3,1,0.5"]
    commands = [
        ["mgbench", "fuse", *MEMBERS, "--weights", text, "--out", "made/f.parquet"]
        for text in weights
    ]
    whole = {}
    for command in commands:
        alone = run(root, *command)
        if alone.rc:
            return Tried("fuse alone", alone.out[-500:])
        whole[tree_hash(root / "made")] = command
        shutil.rmtree(root / "made")
    faults = _common_faults(root, together(root, commands, rng))
    if tree_hash(root / "made") not in whole:
        names = sorted(path.name for path in (root / "made").iterdir())
        faults.append(f"probabilities of one writer beside the record of another: {names}")
    return Tried("three fuse to one file", "\n".join(faults))


def _submit(lab: Lab, rng: Random) -> Tried:
    root = lab.copy("project", cache=False)
    commands = [
        ["mgbench", "submit", "write", file, "--edition", "mimic", "--out", "made/s"]
        for file in MEMBERS
    ]
    faults = _common_faults(root, together(root, commands, rng), refuse=True)
    folder = root / "made/s"
    try:
        stated = json.loads((folder / "submission.json").read_text("utf-8"))["files"]
        for name, digest in stated.items():
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                faults.append(f"{name} is not the file that submission.json names")
        with zipfile.ZipFile(folder / "prediction.zip") as archive:
            if archive.read("prediction.csv") != (folder / "prediction.csv").read_bytes():
                faults.append("the zip holds another file")
    except (OSError, KeyError) as error:
        faults.append(f"no whole submission: {error}")
    return Tried("three submit write to one folder", "\n".join(faults))


def _prepare(lab: Lab, rng: Random) -> Tried:
    root = lab.copy("project", cache=False)
    stage = rng.choice(("prepare@rgb", "prepare@skeleton", "prepare@flow"))
    (out,) = lab.outs(stage)
    forget(root, [out])
    command = shlex.split(lab.stages[stage]["cmd"])
    faults = _common_faults(root, together(root, [command] * 2, rng), refuse=True)
    if tree_hash(root / out) != tree_hash(lab.finished / out):
        faults.append(f"other bytes: {out}")
    return Tried(f"two {stage}", "\n".join(faults))


def _repro(lab: Lab, rng: Random) -> Tried:
    root = lab.copy("project")
    stage = rng.choice(("predict@joint", "prepare@skeleton", "fuse@convex"))
    outs = lab.outs(stage)
    forget(root, outs)
    command = ["dvc", "repro", "--no-run-cache", stage]
    ended = together(root, [command] * 2, rng)
    faults = _common_faults(root, ended, refuse=True)
    if not any(code == 0 for code, _ in ended):
        faults.append(f"neither ends well\n{ended[0][1][-500:]}")
    differ = [out for out in outs if tree_hash(root / out) != tree_hash(lab.finished / out)]
    if differ:
        faults.append(f"other bytes: {', '.join(differ)}")
    return Tried(f"two dvc repro of {stage}", "\n".join(faults))


def _import(lab: Lab, rng: Random) -> Tried:
    root = lab.copy("project", cache=False)
    (root / "a.csv").write_text("clip_id,a,b\nx1,0.25,0.75\nx2,0.5,0.5\n", "utf-8")
    command = [
        "mgbench",
        "scores",
        "import",
        "a.csv",
        "--num-classes",
        "2",
        "--out",
        "made/o.parquet",
    ]
    faults = _common_faults(root, together(root, [command] * 4, rng))
    if not (root / "made/o.parquet").is_file():
        faults.append("no file")
    return Tried("four scores import to one file", "\n".join(faults))


KINDS: tuple[Callable[[Lab, Random], Tried], ...] = (
    _sync,
    _fuse,
    _submit,
    _prepare,
    _repro,
    _import,
)


def start(lab: Lab) -> Attempt:
    """Take the kinds in turn."""
    return lambda seed: KINDS[seed % len(KINDS)](lab, Random(seed))


CAMPAIGNS = (
    Campaign("writers", "several processes that write the same thing at once", 18, 6, start),
)
