"""Every experiment of preset `paper` at its full size: builds, steps, predicts; speed on a GPU.

On random tensors of the right shape, so that neither iMiGUE nor weights are needed. On a CPU one
step takes up to a minute and some GB of memory:

    python tests/bench/full_size.py --steps 2 --forward 1
    python tests/bench/full_size.py --only joint --only swin_rgb --seconds 10
"""

from __future__ import annotations

import itertools
import resource
import time
from typing import TYPE_CHECKING

import click
import numpy as np
import torch

from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.data.loader import TrainBatch
from benchmark.models.network import build
from benchmark.models.random_views import random_views
from benchmark.presets.preset import paper
from benchmark.runtime.distributed import alone, device_name
from benchmark.runtime.seeding import set_up_torch
from benchmark.training.losses import Loss
from benchmark.training.monitor.meter import Meter
from benchmark.training.monitor.throughput import TRAINING, flops_of_forward, peak_flops
from benchmark.training.optimizer import build_optimizer
from benchmark.training.sampler import ClipBatchSampler
from benchmark.training.state import TrainState
from benchmark.training.step_state import compile_blocks
from benchmark.training.train_step import BatchNormStatistics, train_step

if TYPE_CHECKING:
    from benchmark.params.params import Experiment
    from benchmark.params.recipes import Recipe

CLASSES = {"imigue": 32, "ma52": 52, "mimic": 32, "mimic_ma52": 52}
POINTS = len(OPENPOSE36.points)


def state_of(
    experiment: Experiment, recipe: Recipe, num_classes: int, *, backend: str = "inductor"
) -> TrainState:
    """Build the state of a training over one random batch."""
    fabric = alone(recipe)
    set_up_torch(1, threads=torch.get_num_threads(), deterministic=recipe.deterministic)
    model = build(experiment.backbone, experiment.input, OPENPOSE36, num_classes=num_classes)
    if recipe.compiled:
        compile_blocks(model, backend=backend)
    optimizer = build_optimizer(recipe, model)
    full_lrs = tuple(float(group["lr"]) for group in optimizer.param_groups)
    net, optimizer = fabric.setup(model, optimizer)
    labels = np.arange(recipe.batch_size) % num_classes
    x = tuple(random_views(experiment.input, recipe.micro_batch_size, POINTS).values())
    label = torch.arange(recipe.micro_batch_size) % num_classes
    batch = TrainBatch(
        [f"clip{row}" for row in range(recipe.micro_batch_size)],
        tuple(one.to(fabric.device) for one in x),
        label.to(fabric.device),
    )
    return TrainState(
        fabric=fabric, recipe=recipe, seed=1, model=model, net=net, ema=None, optimizer=optimizer,
        full_lrs=full_lrs, loss=Loss(recipe, labels, num_classes, fabric.device),
        batch_norms=BatchNormStatistics(model, recipe.micro_batches, fabric),
        sampler=ClipBatchSampler(labels, recipe, 1),
        batches=[batch], val_batches=[], initial_weights="scratch",  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


def steps_of(state: TrainState, steps: int, seconds: float) -> tuple[int, float, float]:
    """Clips, seconds and last loss of timed steps, after one that is not timed."""
    meter = Meter(state.fabric.device)
    batches = itertools.cycle(state.batches)
    clips, began = 0, 0.0
    for number in itertools.count():
        if number == 1:
            _wait()
            clips, began = 0, time.perf_counter()
        train_step(state, 0, batches, meter)
        clips += state.recipe.batch_size
        _wait()
        assert meter.not_finite(before=1) is None, "the loss or the gradient is not finite"
        if number >= max(steps - 1, 1) and time.perf_counter() - began >= seconds:
            break
    return clips, time.perf_counter() - began, meter.sums[0] / meter.sums[2]


@torch.no_grad()
def predicted(state: TrainState, experiment: Experiment, clips: int) -> float:
    """Views a second of the forward pass at test size; the second of two calls."""
    state.model.eval()
    x = tuple(random_views(experiment.input, clips, POINTS, test=True).values())
    x = tuple(one.to(state.fabric.device) for one in x)
    for _ in range(2):
        _wait()
        began = time.perf_counter()
        with state.fabric.autocast():
            p = state.model(x).float().softmax(2).mean(1)
        assert p.isfinite().all()
        _wait()
    return clips / (time.perf_counter() - began)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


@click.command()
@click.option("--only", multiple=True, help="An experiment; may be repeated.")
@click.option("--steps", default=2, show_default=True, help="At least as many steps of each.")
@click.option("--seconds", default=0.0, show_default=True, help="And for at least as long.")
@click.option("--forward", type=int, help="Clips of a forward pass, instead of the recipe's.")
@click.option("--batch", type=int, help="Clips of a step; without it one forward pass.")
@click.option("--compiled", is_flag=True, help="With the recipe's knob `compiled`.")
@click.option("--precision", help="Instead of the recipe's.")
def main(
    only: tuple[str, ...], steps: int, seconds: float, forward: int | None, batch: int | None,
    precision: str | None, compiled: bool,
) -> None:  # fmt: skip
    """Print a row for each experiment."""
    torch.backends.cudnn.benchmark = True
    params = paper()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    click.echo(f"torch {torch.__version__} on {device_name(device)}")
    click.echo(
        "experiment      precision    M params  G MACs  clips/pass  clips/s  GiB     MFU %"
        "  test views/s  mean loss"
    )
    for name in only or params.experiments:
        experiment = params.experiments[name]
        recipe = params.recipes[experiment.recipe]
        size = forward or recipe.micro_batch_size
        changes = {"micro_batch_size": size, "batch_size": batch or size, "compiled": compiled}
        changes |= {"precision": precision} if precision else {}
        if device.type == "cpu":
            changes |= {"precision": "32-true"}
        recipe = recipe.model_copy(update=changes)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        state = state_of(experiment, recipe, CLASSES[experiment.edition])
        weights = sum(parameter.numel() for parameter in state.model.parameters())
        one = tuple(part[:1] for part in state.batches[0].x)  # pyright: ignore[reportIndexIssue]
        flops = flops_of_forward(state, one)
        clips, passed, loss = steps_of(state, steps, seconds)
        views_s = predicted(state, experiment, size)
        gib = (
            torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda"
            else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        )  # fmt: skip
        used = TRAINING * flops * clips / passed / peak_flops(device, recipe.precision)
        click.echo(
            f"{name:<15} {recipe.precision:<11} {weights / 1e6:9.2f} {flops / 2e9:7.1f}"
            f" {size:11d} {clips / passed:8.2f} {gib:6.2f} {100 * used:7.1f} {views_s:13.1f}"
            f" {loss:9.3f}"
        )
        del state
        if device.type == "cuda":
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
