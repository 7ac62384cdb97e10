"""What `mgbench run` and `mgbench graph` add to the stages themselves.

python tests/bench/stages.py sleep --seconds 20    # 60 stages that sleep, in iMiGUE's shape
python tests/bench/stages.py grow 10 100 1000      # a project of so many experiments
python tests/bench/stages.py replay PROJECT 1 8    # its stages as sleeps of what each last took
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from hashlib import md5
from pathlib import Path
from statistics import mean, median
from typing import Any

import click
from ruamel.yaml import YAML

from pipelines.scale.graph import read_graph
from pipelines.scale.plan import schedule
from pipelines.scale.run import EVENTS
from pipelines.scale.state import read_seconds

REPO = Path(__file__).parents[2]
STREAMS, FUSIONS = 11, 3
RUN = (
    "from pathlib import Path; from pipelines.scale.graph import read_graph; "
    "from pipelines.scale.run import run; run(read_graph(Path.cwd()), {jobs})"
)


def imigue_like(seconds: float) -> tuple[dict[str, Any], dict[str, float]]:
    """Sixty stages as the paper's: trainings wait for modalities and each other, scores for all."""
    stages: dict[str, Any] = {}
    takes: dict[str, float] = {}

    def add(name: str, share: float, *reads: str) -> None:
        takes[name] = share * seconds
        stages[name] = {
            "cmd": f"sleep {takes[name]:.2f}; echo {name} > {name}.txt",
            "deps": [f"{read}.txt" for read in reads], "outs": [f"{name}.txt"],
        }  # fmt: skip

    add("index", 0.5)
    for k in range(8):
        add(f"prepare{k}", 1.0, "index")
    for k in range(STREAMS):
        start = [f"train{k - 3}"] if k in {3, 4, 6, 7} else []
        add(f"train{k}", 3.0, f"prepare{k % 8}", *start)
        add(f"predict{k}", 0.5, f"train{k}")
        add(f"page{k}", 0.1, f"predict{k}")
        add(f"picture{k}", 0.1, f"train{k}")
    everything = [f"predict{k}" for k in range(STREAMS)]
    for k in range(FUSIONS):
        add(f"fuse{k}", 0.1, *everything)
    add("table", 0.2, *(f"fuse{k}" for k in range(FUSIONS)))
    add("analyse", 0.2, "fuse0")
    add("report", 0.1, "table", "analyse")
    add("submit", 0.1, "fuse1")
    return {"stages": stages}, takes


def start_project(root: Path, document: dict[str, Any]) -> None:
    """Make a project of DVC with this repository's settings: DVC's own start two more processes."""
    for words in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(words, cwd=root, check=True, stdout=subprocess.DEVNULL)
    shutil.copy(REPO / ".dvc/config", root / ".dvc/config")
    YAML().dump(document, root / "dvc.yaml")


def start_finished(root: Path, count: int) -> None:
    """Make a project of `count` trained and predicted experiments.

    The lock file is written here: DVC would write the whole of it after each stage.
    """
    names = [f"e{k}" for k in range(count)]
    outs: list[Any] = [{"${item}": {"cache": False}}]
    scores: list[Any] = [{"s_${item}": {"cache": False}}]
    train = {"cmd": "echo ${item} > ${item}", "outs": outs}
    predict = {"cmd": "cp ${item} s_${item}", "deps": ["${item}"], "outs": scores}
    stages = {
        "train": {"foreach": names, "do": train},
        "predict": {"foreach": names, "do": predict},
    }
    start_project(root, {"stages": stages})
    lock: dict[str, Any] = {}
    for name in names:
        text = f"{name}\n"
        made = {"hash": "md5", "md5": md5(text.encode()).hexdigest(), "size": len(text)}
        for path in (name, f"s_{name}"):
            (root / path).write_text(text)
        lock[f"train@{name}"] = {"cmd": f"echo {name} > {name}", "outs": [{"path": name, **made}]}
        lock[f"predict@{name}"] = {
            "cmd": f"cp {name} s_{name}",
            "deps": [{"path": name, **made}], "outs": [{"path": f"s_{name}", **made}],
        }  # fmt: skip
    YAML().dump({"schema": "2.0", "stages": lock}, root / "dvc.lock")


def run(root: Path, jobs: int) -> float:
    """Run `mgbench run` without its params; return the seconds."""
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", RUN.format(jobs=jobs)], cwd=root, check=True,
        env=os.environ | {"PYTHONPATH": str(REPO)}, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - begun


def seconds_lived(events: Path) -> dict[str, float]:
    """Return how long each stage of the last run lived, from its start to its end."""
    lines = [line.split() for line in events.read_text().splitlines()]
    begun = {words[1]: float(words[2]) for words in lines if words[0] == "begin"}
    return {words[1]: float(words[3]) - begun[words[1]] for words in lines if words[0] == "end"}


@click.group()
def main() -> None:
    """Measure."""


@main.command()
@click.option("--seconds", default=20.0, show_default=True, help="Of one prepare stage.")
@click.option("--jobs", default=16, show_default=True)
def sleep(seconds: float, jobs: int) -> None:
    """Compare the wall time with the critical path, and the overhead of a stage."""
    document, takes = imigue_like(seconds)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        start_project(root, document)
        with chdir(root):  # DVC names stages from where one is
            upstream = read_graph(root, stale=False).upstream
        bound = schedule(upstream, upstream, takes, slots=jobs)
        wall = run(root, jobs)
        lived = seconds_lived(root / EVENTS)
        again = run(root, jobs)
    on_path = (wall - bound.length) / len(bound.path)
    overheads = sorted(lived[stage] - takes[stage] for stage in takes)
    click.echo(f"{len(takes)} stages, {jobs} at once")
    click.echo(f"critical path {bound.length:.1f} s of {len(bound.path)} stages")
    click.echo(f"wall time {wall:.1f} s, {wall / bound.length:.3f} of it")
    click.echo(
        f"overhead per stage: mean {mean(overheads):.2f} s, median {median(overheads):.2f} s,"
        f" largest {overheads[-1]:.2f} s; of the path {on_path:.2f} s"
    )
    click.echo(f"nothing to do: {again:.1f} s")


@main.command()
@click.argument("counts", nargs=-1, type=int)
def grow(counts: tuple[int, ...]) -> None:
    """Time `mgbench graph`, and `mgbench run` with nothing to do, on so many experiments."""
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            start_finished(root, count)
            begun = time.perf_counter()
            with chdir(root):
                read_graph(root, stale=False)
            graph = time.perf_counter() - begun
            nothing = run(root, 2)
        click.echo(
            f"{count} experiments: graph {graph:.1f} s, run with nothing to do {nothing:.1f} s"
        )


@main.command()
@click.argument("project", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("slots", nargs=-1, type=int)
@click.option("--faster", default=1.0, show_default=True, help="Divide the durations by this.")
def replay(project: Path, slots: tuple[int, ...], faster: float) -> None:
    """Run the graph of PROJECT on so many slots, each stage a sleep of what it last took."""
    with chdir(project):
        upstream = read_graph(project.resolve(), stale=False).upstream
        takes = {stage: took / faster for stage, took in read_seconds().items()}
    stages = {
        stage.replace("@", "-"): {
            "cmd": f"sleep {takes[stage]:.2f}; echo {stage} > {stage}.txt",
            "deps": [f"{read}.txt" for read in before], "outs": [f"{stage}.txt"],
        }
        for stage, before in upstream.items()
    }  # fmt: skip
    for slot in slots:
        bound = schedule(upstream, upstream, takes, slots=slot)
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            start_project(root, {"stages": stages})
            wall = run(root, slot)
        click.echo(
            f"{len(stages)} stages on {slot} slots: {wall:.1f} s, {bound.total / wall:.2f} times"
            f" faster than their sum of {bound.total:.1f} s; planned {bound.makespan:.1f} s,"
            f" critical path {bound.length:.1f} s"
        )


if __name__ == "__main__":
    main()
