"""What our training loop costs over a bare forward, backward and step on the same tensors.

Every experiment of the default edition, on one random batch; both take turns, a few steps each, on
the same network and optimizer:

    python tests/bench/loop.py
    python tests/bench/loop.py --only joint --rounds 60
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import click
import torch
from full_size import state_of
from tqdm import tqdm

from benchmark.data.normalization import DatasetNorm, TrainSplitNorm
from benchmark.params.params import read_params
from benchmark.training.monitor.meter import Meter
from benchmark.training.train_step import train_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmark.params.params import Experiment
    from benchmark.params.recipes import Recipe
    from benchmark.training.state import TrainState

CLASSES = 32
PLAIN = DatasetNorm(kind="dataset", mean=(120.0,) * 3, std=(60.0,) * 3)


def ours(state: TrainState, steps: int) -> Callable[[], None]:
    """Steps as an epoch makes them: meter, learning rate, seeds, check of the loss, the bar."""
    batches = itertools.cycle(state.batches)

    def take() -> None:
        meter = Meter(state.fabric.device)
        timed = meter.timed(batches)
        for step in tqdm(range(steps), disable=None):
            train_step(state, step, timed, meter)
            meter.not_finite(before=step)

    return take


def bare(state: TrainState, recipe: Recipe, steps: int) -> Callable[[], None]:
    """What a step cannot do without."""
    (batch,) = state.batches
    weights = list(state.model.parameters())

    def take() -> None:
        for _ in range(steps):
            logits = state.model(batch.x)
            losses = [
                torch.nn.functional.cross_entropy(logits[:, head], batch.label)
                for head in range(logits.shape[1])
            ]
            sum(losses).backward()
            if recipe.grad_clip is not None:
                torch.nn.utils.clip_grad_norm_(weights, recipe.grad_clip)
            state.optimizer.step()
            state.optimizer.zero_grad()

    return take


def seconds_of(take: Callable[[], None]) -> float:
    began = time.perf_counter()
    take()
    return time.perf_counter() - began


def compare(experiment: Experiment, recipe: Recipe, rounds: int, steps: int) -> tuple[float, float]:
    """Milliseconds of a step: ours and bare, medians of rounds that alternate."""
    spec = experiment.input
    if isinstance(getattr(spec, "normalization", None), TrainSplitNorm):
        spec = spec.model_copy(update={"normalization": PLAIN})
    state = state_of(experiment.model_copy(update={"input": spec}), recipe, CLASSES)
    state.model.train()
    takers = ours(state, steps), bare(state, recipe, steps)
    for take in takers:
        take()
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for place in ((0, 1), (1, 0))[number % 2]:
            found[place].append(seconds_of(takers[place]))
    own, other = (1000 * median(seconds) / steps for seconds in found)
    return own, other


@click.command()
@click.option("--only", multiple=True, help="These experiments; all if not given.")
@click.option("--rounds", default=30, show_default=True)
@click.option("--steps", default=5, show_default=True, help="Of a round.")
def main(only: tuple[str, ...], rounds: int, steps: int) -> None:
    """Print milliseconds a step of both, and what ours takes more."""
    params = read_params(Path("params.yaml"))
    click.echo("experiment        ours ms   bare ms   more")
    for name in only or params.experiments:
        experiment = params.experiments[name]
        recipe = params.recipes[experiment.recipe]
        torch.set_num_threads(recipe.threads)
        own, other = compare(experiment, recipe, rounds, steps)
        click.echo(f"{name:<16} {own:8.2f}  {other:8.2f}  {100 * (own / other - 1):4.1f} %")


if __name__ == "__main__":
    main()
