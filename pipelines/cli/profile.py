"""`mgbench profile`: how fast an experiment trains, on what its time goes, and on paper."""

from __future__ import annotations

from pipelines._stage import PARAMS, entry, read_params

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.group import echo_columns
from pipelines.cli.options import FiniteRange

if TYPE_CHECKING:
    from benchmark.params.params import Params
    from benchmark.training.monitor.profiling import Trace
    from benchmark.training.state import TrainSpec

HEAVIEST = 10
STEPS = 3
"""Traced steps: a trace holds every call of an operator."""


@click.command()
@click.argument("name", metavar="EXPERIMENT")
@click.option(
    "--seconds", type=FiniteRange(0.1), default=20.0, show_default=True,
    help="Duration of each measurement.",
)  # fmt: skip
@click.option("--trace", is_flag=True, help="Trace some steps instead: the heaviest operators.")
@click.option("--roofline", is_flag=True, help="Count instead, for GPUs, without one or any clip.")
def profile(name: str, seconds: float, trace: bool, roofline: bool) -> None:
    """Measure the training speed of EXPERIMENT here.

    Three measurements: end to end, on one batch that is ready on the device, and of the data
    loader alone.

    Example: mgbench profile joint --seconds 5
    """
    params = read_params(PARAMS)
    entry(params.experiments, "experiments", name)
    if roofline:
        _echo_roofline(name, params)
    elif trace:
        from benchmark.training.monitor.profiling import trace as traced

        out = Path(".run", "trace", f"{name}.json")
        _echo_trace(name, traced(_train_spec(name, params), steps=STEPS, out=out))
        click.echo(f"timeline, for ui.perfetto.dev: {out}")
    else:
        _echo_speeds(name, params, seconds)


def _train_spec(name: str, params: Params) -> TrainSpec:
    from benchmark.contracts.clips import read_clips
    from benchmark.editions.edition import read_edition

    experiment = params.experiments[name]
    data = Path("data", experiment.edition)
    clips = read_clips(data / "clips.parquet", read_edition(experiment.edition))
    # Seconds to import: not before it is known that there are clips.
    from benchmark.training.experiment import TrainPaths, build_train_spec

    paths = TrainPaths(
        modality=data / experiment.modality, init_from=Path("models", experiment.init_from),
        out=Path(), reports=Path(), record=Path(),
    )  # fmt: skip
    return build_train_spec(name, params, clips, paths)


def _echo_speeds(name: str, params: Params, seconds: float) -> None:
    spec = _train_spec(name, params)
    from benchmark.training.monitor.profiling import measure

    speeds = measure(spec, seconds=seconds)
    click.echo(f"{name} on {speeds.device}, one process")
    share = speeds.end_to_end / speeds.ready
    click.echo(
        f"end to end          {speeds.end_to_end:8.2f} clips/s   {share:.2f} of a ready batch"
    )
    click.echo(f"one ready batch     {speeds.ready:8.2f} clips/s")
    click.echo(f"loader alone        {speeds.loader:8.2f} clips/s")
    click.echo(f"forward pass        {speeds.gflops_per_clip:8.2f} G multiply-adds per clip")
    click.echo(f"MFU, ready batch    {100 * speeds.mfu:8.1f} %")
    if speeds.memory_gib:
        click.echo(f"peak memory         {speeds.memory_gib:8.2f} GiB")


def _echo_trace(name: str, trace: Trace) -> None:
    busy = sum(one.seconds for one in trace.operators)
    click.echo(
        f"{name} on {trace.device}: {trace.steps} steps in {trace.seconds:.2f} s, of which"
        f" {100 * trace.waited / trace.seconds:.0f} % waited for clips; operators {busy:.2f} s"
    )
    rows = [("operator", "kind", "calls", "share", "ms a step")]
    for one in trace.operators[:HEAVIEST]:
        share, ms = f"{100 * one.seconds / busy:.1f} %", 1000 * one.seconds / trace.steps
        rows.append((one.name, one.kind, str(one.calls), share, f"{ms:.1f}"))
    echo_columns(rows)
    click.echo("time: " + _of_kinds((one.kind, one.seconds) for one in trace.operators))
    taken = sorted(trace.operators, key=lambda one: -one.gib)[:HEAVIEST]
    click.echo("memory taken, GiB a step: " + ", ".join(
        f"{one.name} {one.gib / trace.steps:.3f}" for one in taken))  # fmt: skip


def _echo_roofline(name: str, params: Params) -> None:
    from benchmark.training.monitor.on_paper import BANDWIDTH, on_paper_of
    from benchmark.training.monitor.throughput import PEAKS

    recipe = params.recipes[params.experiments[name].recipe]
    paper = on_paper_of(name, params, clips=recipe.micro_batch_size)
    click.echo(f"{name} on paper, {recipe.precision}: a clip, forward and backward, op by op")
    head = ("module", "GFLOP", "GB", "FLOP/B", *(f"ms {card}" for card in BANDWIDTH))
    rows: list[tuple[str, ...]] = [head]
    for module in [*dict.fromkeys(one.module for one in paper.operators), "all"]:
        ops = [one for one in paper.operators if module in {one.module, "all"}]
        flops, size = sum(one.flops for one in ops), sum(one.bytes for one in ops)
        numbers = [flops / 1e9, size / 1e9, *(
            1000 * sum(one.seconds(card) for one in ops) for card in BANDWIDTH)]  # fmt: skip
        cells = [f"{number / paper.clips:.2f}" for number in numbers]
        rows.append((module, *cells[:2], f"{flops / size:.0f}", *cells[2:]))
    echo_columns(rows)
    flops = sum(one.flops for one in paper.operators) / paper.clips
    for card in BANDWIDTH:
        kinds = _of_kinds((one.kind, one.seconds(card)) for one in paper.operators)
        peak = PEAKS[card][recipe.precision == "32-true"]
        rate = 1 / paper.seconds_per_clip(card, recipe.batch_size)
        click.echo(
            f"{card}: at most {rate:.0f} clips/s op by op, {peak / flops:.0f} by products alone;"
            f" {kinds}"
        )


def _of_kinds(times: Iterable[tuple[str, float]]) -> str:
    """Tell the share of each kind of operator, the largest first."""
    sums: dict[str, float] = {}
    for kind, seconds in times:
        sums[kind] = sums.get(kind, 0) + seconds
    total = sum(sums.values())
    ranked = sorted(sums.items(), key=lambda one: -one[1])
    return ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in ranked)
