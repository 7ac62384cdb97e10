"""Commands `graph`, `run` and `plan`: stages side by side."""

from __future__ import annotations

from pipelines._stage import PARAMS, read_params

import re
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from tqdm import tqdm

from benchmark.core.errors import BenchmarkError
from benchmark.core.schema import load_yaml
from pipelines.cli.group import echo_columns
from pipelines.cli.options import FiniteRange
from pipelines.scale.graph import kind_of, locked, makefile, read_graph
from pipelines.scale.launch import check_stages
from pipelines.scale.plan import schedule
from pipelines.scale.run import clock
from pipelines.scale.run import run as run_stages
from pipelines.scale.state import TABLE, read_seconds

if TYPE_CHECKING:
    from benchmark.training.monitor.fit import Fit


NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]*)?|\.[0-9]+")
"""Hours; `float` would also take "nan" and negative ones."""


def fit_to_memory(gib: float, *, write: bool) -> None:
    """Print what fits into `gib` GiB, experiment by experiment; write it into params.yaml if told.

    Experiments of one recipe share its micro_batch_size: the smallest counts.
    """
    params = read_params(PARAMS)
    from benchmark.training.monitor.fit import MARGIN, REACHED, RESERVED, fit

    fits = {
        name: fit(name, params, gib=gib)
        for name in tqdm(params.experiments, desc="counting", unit="experiment", leave=False)
    }
    smallest: dict[str, Fit] = {}
    for one in sorted(fits.values(), key=lambda one: -one.size):
        smallest[one.recipe] = one
    if write:
        _write(fits, smallest, gib)
    cards = max((list(one.hours) for one in fits.values()), key=len)
    rows = [(
        "experiment", "recipe", "micro_batch_size", "passes", "GiB", "recompute",
        *(f"h {card}" for card in cards), "disk GiB",
    )]  # fmt: skip
    for name, one in fits.items():
        chosen = smallest[one.recipe].size
        size = f"{one.now} -> {chosen}" if chosen != one.now else str(chosen)
        passes = params.recipes[one.recipe].batch_size // chosen
        hours = (f"{one.hours[card]:.1f}" if card in one.hours else "?" for card in cards)
        rows.append((
            name, one.recipe, size, str(passes), f"{one.gib:.1f}", "yes" if one.recompute else "no",
            *hours, f"{one.disk_gib:.2f}",
        ))  # fmt: skip
    echo_columns(rows)
    click.echo(
        f"GiB: estimated, with {100 * MARGIN:.0f} % and {RESERVED:g} GiB of the {gib:g} left free."
        f" Hours: computed, of training alone, at {REACHED:g} of the roofline."
    )
    if write:
        click.echo(f"wrote {PARAMS}: {', '.join(smallest)}")
    else:
        click.echo("--write writes these values into params.yaml, with the reasons")


def _write(fits: Mapping[str, Fit], smallest: Mapping[str, Fit], gib: float) -> None:
    from benchmark.presets.edit import read_document, write_document

    document = read_document(PARAMS)
    for recipe, one in smallest.items():
        entry = document["recipes"][recipe]
        entry["micro_batch_size"] = one.size
        entry.yaml_add_eol_comment(f"{gib:g} GiB: {one.reason}", "micro_batch_size")
    for name, one in fits.items():
        if one.recompute:
            backbone = document["experiments"][name]["backbone"]
            backbone["recompute"] = True
            backbone.yaml_add_eol_comment(f"{gib:g} GiB: without it no clip fits", "recompute")
    write_document(document, PARAMS)


@click.command()
@click.option("--make", "as_make", is_flag=True, help="Write a makefile of all stages.")
def graph(as_make: bool) -> None:
    """Print each stage and the stages that it waits for, as DVC sees them.

    Example: mgbench graph --make > stages.mk
    """
    upstream = read_graph(Path.cwd(), stale=False).upstream
    if as_make:
        click.echo(makefile(upstream, upstream), nl=False)
        return
    for stage, before in upstream.items():
        click.echo(f"{stage}: {' '.join(before)}".rstrip(": "))


@click.command()
@click.argument("stages", metavar="[STAGE]...", nargs=-1)
@click.option(
    "-j", "--jobs", type=click.IntRange(1), default=2, show_default=True, help="Stages at once."
)
def run(stages: tuple[str, ...], jobs: int) -> None:
    """Run the stages that are out of date, side by side; 'dvc repro' runs one after the other.

    STAGE, as in train@joint or train, runs only these and what they wait for.
    launch.yaml says where heavy ones run: docs/scale.md.

    Example: mgbench run -j 8 train predict
    """
    read_params(PARAMS)  # a broken params.yaml gets our message instead of DVC's
    found = read_graph(Path.cwd())
    check_stages(found.upstream)
    sys.exit(run_stages(found, jobs, stages))


@click.command()
@click.option(
    "--gpus", "slots", type=click.IntRange(1), default=1, show_default=True,
    help="Heavy stages at once.",
)  # fmt: skip
@click.option(
    "--assume", multiple=True, metavar="STAGE=HOURS",
    help="Hours of a stage, or of a kind of stages, that never ran here.",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Every stage, not only those out of date.")
@click.option(
    "--gpu-memory", type=FiniteRange(1), metavar="GIB",
    help="Instead: the micro-batches that fit into a GPU of so much memory, hours, disk.",
)  # fmt: skip
@click.option("--write", is_flag=True, help="With --gpu-memory: write them into params.yaml.")
def plan(
    slots: int, assume: tuple[str, ...], everything: bool, gpu_memory: float | None, write: bool
) -> None:
    """Tell how long the stages take on so many GPUs, and how much disk they fill.

    Example: mgbench plan --gpus 8 --assume train=2.5

    Example: mgbench plan --gpu-memory 24
    """
    if write and gpu_memory is None:
        raise click.UsageError("--write needs --gpu-memory")
    if gpu_memory is not None:
        fit_to_memory(gpu_memory, write=write)
        return
    stages = read_graph(Path.cwd(), stale=not everything)
    todo = list(stages.upstream) if everything else stages.to_run()
    heavy: Collection[str] = load_yaml(TABLE)
    seconds = _durations(stages.upstream, todo, assume, heavy)
    free = [stage for stage in todo if kind_of(stage) not in heavy]
    found = schedule(stages.upstream, todo, seconds, slots=slots, free=free)
    for kind, count in Counter(map(kind_of, todo)).items():
        spent = sum(seconds[stage] for stage in todo if kind_of(stage) == kind)
        click.echo(f"{kind:<16} {count:>5} stages {clock(spent):>10}")
    click.echo(f"one after the other: {clock(found.total)}")
    most = found.makespan
    gain = f"{found.total / most:.2f} times as fast" if most else "nothing to do"
    click.echo(f"on {slots} slots: {clock(most)}, {gain}")
    click.echo(f"critical path: {clock(found.length)}, {' -> '.join(found.path)}")
    click.echo(f"disk: {_gib():.2f} GiB of results, as dvc.lock records them")


def _durations(
    stages: Collection[str], todo: list[str], assume: tuple[str, ...], heavy: Collection[str]
) -> dict[str, float]:
    """Return the seconds of stages to do: assumed for one, recorded, or assumed for its kind.

    Args:
        stages: All stages.
        todo: Those to do.
        assume: What the user gives, as STAGE=HOURS.
        heavy: Kinds whose durations must be known; the others take seconds.
    """
    known, assumed = read_seconds(), dict[str, float]()
    for text in assume:
        name, _, hours = text.partition("=")
        if not NUMBER.fullmatch(hours):
            raise BenchmarkError("--assume", f"'{text}'", expected="STAGE=HOURS, such as train=2.5")
        if name not in {*stages, *map(kind_of, stages)}:
            do = "'mgbench graph' lists the stages; 'train' stands for all train@..."
            raise BenchmarkError("--assume", f"there is no stage '{name}'", do=do)
        assumed[name] = 3600 * float(hours)
    found, missing = {}, []
    for stage in todo:
        kinds = (assumed.get(stage), known.get(stage), assumed.get(kind_of(stage)))
        given = [value for value in kinds if value is not None]
        if given:
            found[stage] = given[0]
        elif kind_of(stage) in heavy:
            missing.append(kind_of(stage))
        else:
            found[stage] = 0.0
    if missing:
        kinds = Counter(missing)
        raise BenchmarkError(
            "plan", "nothing is known of "
            + ", ".join(f"{count} stages {kind}" for kind, count in kinds.items()),
            expected="stages that ran here once",
            do="Say how many hours each takes: "
            + " ".join(f"--assume {kind}=HOURS" for kind in kinds),
        )  # fmt: skip
    return found


def _gib() -> float:
    stages = locked(Path.cwd()).values()
    return sum(out.get("size", 0) for stage in stages for out in stage.get("outs", ())) / 2**30
