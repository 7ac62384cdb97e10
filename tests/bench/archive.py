"""An archive of iMiGUE's full shape with tiny frames, through `dvc repro`: minutes and memory.

355 videos, 18,232 clips, the official test ids, the published class counts:

    python tests/bench/archive.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import psutil
from ruamel.yaml import YAML

from benchmark.archives.imigue import MOVIES, NON_GESTURE, SKELETONS
from benchmark.core.video import write_video
from benchmark.editions.edition import listed_ids, read_edition
from benchmark.editions.splits import SPLITS, Split
from benchmark.runtime.parallel import map_in_processes, usable_cores
from benchmark.synthetic.xlsx import write_xlsx

REPO = Path(__file__).parents[2]
IMIGUE = read_edition("imigue")
WIDTH, HEIGHT = 64, 48
MEDIA = {
    "skeleton": {"kind": "skeleton", "edition": "imigue", "layout": "openpose36", "shards": 40},
    "rgb": {
        "kind": "rgb", "edition": "imigue", "short_side": 48, "gop": 8, "crf": 18, "shards": 40,
    },
}  # fmt: skip
VAL = {
    "0001": 71, "0002": 132, "0003": 99, "0004": 107, "0006": 75,
    "0007": 58, "0008": 107, "0009": 30, "0010": 50, "0011": 48,
}  # fmt: skip
"""Clips of each validation video."""


class Job(NamedTuple):
    """One video to write."""

    video: str
    split: Split
    labels: tuple[int, ...]
    """Raw classes."""


def plan(share: float) -> list[Job]:
    """Every video of iMiGUE with as many clips; `share` keeps that part of each split's videos."""
    rng = np.random.default_rng(0)
    test: dict[str, int] = {}
    for clip in listed_ids(IMIGUE, "test") or []:
        test[clip.split("_")[0]] = test.get(clip.split("_")[0], 0) + 1
    free = [f"{k:04d}" for k in range(12, 600) if f"{k:04d}" not in test][:241]
    cuts = np.sort(rng.choice(np.arange(1, 12893), 240, replace=False))
    train = dict(zip(free, np.diff([0, *cuts, 12893]).tolist(), strict=True))
    jobs = []
    for split, videos in zip(SPLITS, (train, VAL, test), strict=True):
        counts = (IMIGUE.label_counts or {}).get(split)
        total = sum(videos.values())
        classes = np.repeat(np.arange(32), counts) if counts else np.zeros(total, int)
        raw = iter(np.where(classes == 31, NON_GESTURE, classes + 1)[rng.permutation(total)])
        kept = list(videos)[: max(1, round(len(videos) * share))]
        jobs += [
            Job(video, split, tuple(int(next(raw)) for _ in range(videos[video]))) for video in kept
        ]
    return jobs


def write(job: Job, *, root: Path, frames: int) -> None:
    """The three files of a video; each clip has `frames` frames and a gap of one."""
    rng = np.random.default_rng(int(job.video))
    total = len(job.labels) * (frames + 1)
    skeleton, movie = (
        root / place[job.split].folder / place[job.split].sub / job.video
        for place in (SKELETONS, MOVIES)
    )
    skeleton.mkdir(parents=True)
    movie.mkdir(parents=True)
    points = np.round(rng.uniform(0, WIDTH, (total, 137 * 3)), 3)
    points[:, 2::3] = np.round(rng.uniform(0, 1, (total, 137)), 3)
    write_xlsx(skeleton / f"{job.video}_openpose.xlsx", points)
    rows = [
        f"{label},{k * (frames + 1)},{k * (frames + 1) + frames - 1}\n"
        for k, label in enumerate(job.labels)
    ]
    (skeleton / f"{job.video}_label.csv").write_text("".join(rows), "utf-8")
    base = rng.integers(0, 255, (HEIGHT, WIDTH, 3))
    pictures = (np.roll(base, k, 1).astype(np.uint8) for k in range(total))
    write_video(movie / f"{job.video}.mp4", pictures, 25, crf=28, gop=12, preset="ultrafast")


def project(root: Path, share: float) -> None:
    """A copy of the code whose params know iMiGUE alone."""
    for name in ("benchmark", "pipelines", "submission"):
        shutil.copytree(REPO / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(REPO / name, root / name)
    yaml = YAML()
    params = yaml.load(root / "params.yaml")
    params["editions"] = {"imigue": {"excluded": []}}
    params["modality"] = MEDIA
    for entry in (*params["experiments"].values(), *params["fusions"].values(), params["table"]):
        entry["edition"] = "imigue"
    params["submissions"]["final"]["edition"] = "imigue"
    yaml.dump(params, root / "params.yaml")
    if share < 1:
        path = root / "benchmark/editions/imigue.yaml"
        edition = yaml.load(path)
        edition |= {"counts": None, "label_counts": None, "ids": None}
        yaml.dump(edition, path)
    for arguments in (("git", "init", "-q"), (sys.executable, "-m", "dvc", "init", "-q")):
        subprocess.run(arguments, cwd=root, check=True)


class Cost(NamedTuple):
    """What a command took."""

    seconds: float
    peak_gib: float
    """Most memory of all its processes together (proportional share)."""


def measured(root: Path, *arguments: str) -> Cost:
    """Run a command of the project."""
    folder = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(root), "DVC_NO_ANALYTICS": "1",
    }  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen(
        arguments, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    peak, done = 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        parent = psutil.Process(process.pid)
        while not done.wait(0.5):
            total = 0
            for one in (parent, *_children(parent)):
                try:
                    total += one.memory_full_info().pss
                except psutil.Error:
                    continue
            peak = max(peak, total / 2**30)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    output, _ = process.communicate()
    done.set()
    thread.join()
    if process.returncode:
        raise click.ClickException(output.decode()[-4000:])
    return Cost(time.perf_counter() - start, peak)


def _children(parent: psutil.Process) -> list[psutil.Process]:
    try:
        return parent.children(recursive=True)
    except psutil.Error:
        return []


def go(share: float, frames: int, folder: Path) -> tuple[int, dict[str, Cost]]:
    """Clips, and the costs of each stage and of a second repro."""
    root = folder / f"share-{share}"
    jobs = plan(share)
    archive = partial(write, root=root / "data/raw/imigue", frames=frames)
    map_in_processes(archive, jobs, what="write the archive", workers=usable_cores())
    project(root, share)
    targets = ("index@imigue", "data_report@imigue", "prepare@skeleton", "prepare@rgb")
    costs = {target: measured(root, "dvc", "repro", "-q", target) for target in targets}
    costs["nothing changed"] = measured(root, "dvc", "repro", "-q", *targets)
    return sum(len(job.labels) for job in jobs), costs


@click.command()
@click.option("--frames", default=8, show_default=True, help="Of each clip.")
@click.option(
    "--shares", default="0.1,1", show_default=True, help="TrainState of the videos to try."
)
@click.option("--folder", type=click.Path(path_type=Path), help="Where to work; kept.")
def main(frames: int, shares: str, folder: Path | None) -> None:
    """Print the costs of each part, and what a clip costs in it."""
    with tempfile.TemporaryDirectory() as temporary:
        per_clip: dict[str, list[float]] = {}
        for share in map(float, shares.split(",")):
            clips, costs = go(share, frames, folder or Path(temporary))
            click.echo(f"{clips} clips of {frames} frames {WIDTH}x{HEIGHT}, {usable_cores()} cores")
            for name, cost in costs.items():
                per_clip.setdefault(name, []).append(1000 * cost.seconds / clips)
                click.echo(
                    f"  {name:<18} {cost.seconds:7.1f} s  {per_clip[name][-1]:7.2f} ms/clip"
                    f"  {cost.peak_gib:5.2f} GiB"
                )
        for name, found in per_clip.items():
            if len(found) > 1:
                click.echo(f"{name:<18} a clip costs {found[-1] / found[0]:.2f} times as much")


if __name__ == "__main__":
    main()
