"""What a GPU reaches, in one run below ten minutes: op by op and compiled, in turns, beside paper.

Networks of preset `paper` in bfloat16 on random tensors. It ends after `--minutes`, between two
experiments. `--tiny` takes the small networks of params.yaml, for a CPU:

    python tests/bench/gpu.py --minutes 9
    python tests/bench/gpu.py --tiny --seconds 1 --only joint
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click
import torch
from full_size import CLASSES, POINTS, predicted, state_of, steps_of

from benchmark.models.random_views import random_views
from benchmark.params.params import read_params
from benchmark.presets.preset import paper
from benchmark.runtime.distributed import device_name
from benchmark.training.monitor.on_paper import on_paper_of
from benchmark.training.monitor.throughput import TRAINING, flops_of_forward, peak_flops

if TYPE_CHECKING:
    from benchmark.params.params import Params

PARAMS = Path(__file__).parents[2] / "params.yaml"
CLIPS = {"swin_rgb": 16, "joint": 32, "swin_rgb_star": 16, "rgb_joint": 24, "rgb": 26}
"""Clips of a micro-batch; the most important network first."""
ROUNDS = 3


def measure(
    name: str, params: Params, seconds: float, changes: dict[str, Any], backend: str
) -> None:
    """Print a row for each way."""
    experiment, cuda = params.experiments[name], torch.cuda.is_available()
    recipe = params.recipes[experiment.recipe].model_copy(update=changes)
    clips, device = recipe.micro_batch_size, torch.device("cuda" if cuda else "cpu")
    found = params.model_copy(update={"recipes": {**params.recipes, experiment.recipe: recipe}})
    sheet = on_paper_of(name, found, clips=clips)
    states, rates, losses, peaks = {}, {}, {}, {}
    for way, compiled in {"op by op": False, "compiled": True}.items():
        one = recipe.model_copy(update={"compiled": compiled})
        before = torch.cuda.memory_allocated()  # 0 without a GPU
        if cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        states[way] = state_of(experiment, one, CLASSES[experiment.edition], backend=backend)
        began = time.perf_counter()
        losses[way], rates[way] = steps_of(states[way], 2, 0)[2], []
        peaks[way] = (torch.cuda.max_memory_allocated() - before) / 2**30
        click.echo(f"{name}, {way}: first steps after {time.perf_counter() - began:.0f} s")
    for way in [*states] * ROUNDS:
        done, passed, _ = steps_of(states[way], 2, seconds)
        rates[way].append(done / passed)
    x = tuple(one.to(device) for one in random_views(experiment.input, 1, POINTS).values())
    flops = flops_of_forward(states["op by op"], x)
    peak = peak_flops(device, recipe.precision)
    for way, state in states.items():
        rate = median(rates[way])
        mfu = 100 * TRAINING * flops * rate / peak
        click.echo(
            f"{name:<14} {way:<9} {clips:3d} clips  {rate:8.2f} clips/s  MFU {mfu:5.1f} %  "
            f"{peaks[way]:6.2f} GiB (paper {sheet.peak / 2**30:.2f})  loss {losses[way]:.4f}  "
            f"test {predicted(state, experiment, clips):7.1f} views/s"
        )
    limit = 1 / sheet.seconds_per_clip("H100", clips)
    click.echo(f"{name:<14} on paper, op by op, an H100: {limit:.0f} clips/s")


@click.command()
@click.option("--only", multiple=True, help="An experiment; may be repeated.")
@click.option("--seconds", default=5.0, show_default=True, help="Of each turn.")
@click.option("--minutes", default=9.0, show_default=True, help="After which none is begun.")
@click.option("--tiny", is_flag=True, help="The networks of params.yaml, two clips at once.")
def main(only: tuple[str, ...], seconds: float, minutes: float, tiny: bool) -> None:
    """Measure one experiment after the other."""
    began = time.perf_counter()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    click.echo(f"torch {torch.__version__} on {device_name(device)}")
    params = read_params(PARAMS) if tiny else paper()
    for name in only or CLIPS:
        if time.perf_counter() - began > 60 * minutes:
            click.echo(f"{name}: not begun, {minutes:g} minutes are over")
            continue
        clips = 2 if tiny else CLIPS[name]
        precision = "bf16-mixed" if device.type == "cuda" else "32-true"
        changes = {"micro_batch_size": clips, "batch_size": clips, "precision": precision}
        # Without a GPU, the compiler of C++ takes minutes: only what torch captures is run.
        backend = "aot_eager" if tiny and device.type == "cpu" else "inductor"
        measure(name, params, seconds, changes, backend)


if __name__ == "__main__":
    main()
