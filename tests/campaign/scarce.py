"""Full disks, few handles, little memory: a message, no half output, and it works again."""

from __future__ import annotations

import os
import re
import resource
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

from .commands import Done, run
from .lab import Lab, forget, is_volatile, parts, tree_hash
from .tries import Attempt, Campaign, NotHere, Tried

KIB, MIB = 2**10, 2**20
COMMANDS = (
    "mgbench status",
    "mgbench doctor",
    "mgbench results",
    "mgbench sync",
    "mgbench submit list",
    "mgbench data check mimic",
    "mgbench preset list",
    "mgbench experiment show joint",
    "mgbench evaluate predictions/experiments/joint/val.parquet --labels labels.csv",
    "mgbench fuse predictions/experiments/joint/val.parquet predictions/experiments/rgb/val.parquet"
    " --out made/f.parquet",
    "mgbench submit write predictions/fusions/uniform/test.parquet --edition mimic --out made/s",
    "mgbench submit check submissions/final/prediction.zip --edition mimic",
    "mgbench scores import scores.csv --num-classes 2 --out made/i.parquet",
    "mgbench predict VIDEO --with swin_rgb --out made/p",
)
"""Commands of people; `made` holds what they write."""


def prepared(lab: Lab) -> Path:
    """Copy the project and add the small files that the commands read."""
    root = lab.copy("project", cache=False)
    (root / "scores.csv").write_text("clip_id,a,b\nx1,0.25,0.75\nx2,0.5,0.5\n", "utf-8")
    names = [
        line.split(",")[0] for line in _rows(root / "reports/experiments/joint/predictions.csv")
    ]
    (root / "labels.csv").write_text(
        "clip_id,label\n" + "".join(f"{n},1\n" for n in names), "utf-8"
    )
    (root / "made").mkdir()
    return root


def _rows(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()[1:]


def command_of(root: Path, text: str) -> list[str]:
    """Split a command; VIDEO stands for a video of the project."""
    videos = sorted((root / "data/raw").rglob("*.mp4"))
    return shlex.split(text.replace("VIDEO", str(videos[0].relative_to(root))))


def one_of(lab: Lab, rng: Random) -> tuple[str, list[str]]:
    """Draw a stage or a command; return its command line and the outs that it writes."""
    if rng.random() < 0.6:
        stage = rng.choice(sorted(lab.stages))
        return lab.stages[stage]["cmd"], lab.outs(stage)
    return rng.choice(COMMANDS), []


def _tried(lab: Lab, seed: int, limit: Callable[[Lab, Random, Path], tuple[str, dict]]) -> Tried:
    rng = Random(seed)
    text, outs = one_of(lab, rng)
    root = prepared(lab)
    command = command_of(root, text)
    if rng.random() < 0.5:
        forget(root, outs)
    what, options = limit(lab, rng, root)
    what = f"{' '.join(command)[:90]}, {what}"
    done = run(root, *command, timeout=240, **options)
    faults = [done.fault] if done.fault else []
    if not done.fault and done.rc and not re.search(r"(?i)error|cannot|usage|fault", done.out):
        faults.append(f"no message, exit code {done.rc}: {done.out[-300:]}")
    faults += _halves(lab, root, outs)
    again = run(root, *command, timeout=400)
    if again.rc not in {0, 2} or (outs and again.rc) or again.fault:
        faults.append(f"does not work afterwards: {again.fault or again.rc}\n{again.out[-1500:]}")
    faults += _halves(lab, root, outs, whole=True)
    return Tried(what, "\n".join(faults))


def _halves(lab: Lab, root: Path, outs: list[str], *, whole: bool = False) -> list[str]:
    """Name outs that are neither whole nor missing, and unfinished files."""
    faults = []
    for out in outs:
        now, right = tree_hash(root / out), tree_hash(lab.finished / out)
        # A stage replaces its outs one after the other: each is the old one or the new one.
        if now != right and not is_volatile(out) and (whole or now != "nothing"):
            faults.append(f"half an output: {out}")
    if left := parts(root):
        faults.append(f"left over: {', '.join(left[:3])}")
    return faults


def _file_size(_: Lab, rng: Random, __: Path) -> tuple[str, dict]:
    size = int(2 ** rng.uniform(9, 21))
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))  # noqa: E731
    return f"files of at most {size} bytes", {"before": limit}


def _handles(_: Lab, rng: Random, __: Path) -> tuple[str, dict]:
    count = rng.randint(32, 64)
    limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))  # noqa: E731
    return f"{count} file handles", {"before": limit}


def _memory(_: Lab, rng: Random, __: Path) -> tuple[str, dict]:
    size = int(rng.uniform(0.5, 4.0) * 2**30)
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size))  # noqa: E731
    return f"{size // MIB} MiB of addresses", {"before": limit}


def _output(_: Lab, __: Random, ___: Path) -> tuple[str, dict]:
    return "output to /dev/full", {"stdout": os.open("/dev/full", os.O_WRONLY)}


def _start(limit: Callable[[Lab, Random, Path], tuple[str, dict]]) -> Callable[[Lab], Attempt]:
    return lambda lab: lambda seed: _tried(lab, seed, limit)


def _start_disk(lab: Lab) -> Attempt:
    if not _mounted(lab.work / "probe", 1):
        raise NotHere("no tmpfs can be mounted")
    subprocess.run(["umount", lab.work / "probe"], check=True)
    return lambda seed: _on_full_disk(lab, seed)


def _mounted(folder: Path, kib: int) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _on_full_disk(lab: Lab, seed: int) -> Tried:
    """Run a stage or a command in a project whose disk is about to be full."""
    rng = Random(seed)
    text, outs = one_of(lab, rng)
    source = prepared(lab)
    if rng.random() < 0.5:
        forget(source, outs)
    free = int(2 ** rng.uniform(2, 12))
    disk = lab.work / "disk"
    kib = int(subprocess.check_output(["du", "-sk", "--apparent-size", source]).split()[0])
    _mounted(disk, int(kib * 1.3) + 20_000)
    try:
        shutil.copytree(source, disk / "project", symlinks=True)
        root = disk / "project"
        space = os.statvfs(disk)
        filled = space.f_bavail * space.f_frsize - free * KIB
        (disk / "filling").write_bytes(bytes(max(filled, 0)))
        command = command_of(root, text)
        what = f"{' '.join(command)[:90]}, {free} KiB of disk free"
        done: Done = run(root, *command, timeout=240)
        faults = [done.fault] if done.fault else []
        faults += _halves(lab, root, outs)
        (disk / "filling").unlink()
        again = run(root, *command, timeout=400)
        if again.fault or (outs and again.rc):
            faults.append(
                f"does not work afterwards: {again.fault or again.rc}\n{again.out[-1500:]}"
            )
        faults += _halves(lab, root, outs, whole=True)
        return Tried(what, "\n".join(faults))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


CAMPAIGNS = (
    Campaign(
        "scarce-disk", "a disk that runs full during a stage or a command", 14, 4, _start_disk
    ),
    Campaign("scarce-files", "a limit on the size of files", 12, 3, _start(_file_size)),
    Campaign("scarce-handles", "32 to 64 file handles", 12, 3, _start(_handles)),
    Campaign("scarce-memory", "0.5 to 4 GiB of addresses", 12, 3, _start(_memory)),
    Campaign("scarce-output", "output to a full device", 6, 1, _start(_output)),
)
