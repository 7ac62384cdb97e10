"""How fast an experiment trains here, and what holds it up."""

from __future__ import annotations

import itertools
import time
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import torch

from benchmark.runtime.distributed import alone, device_name
from benchmark.training.monitor.meter import Meter
from benchmark.training.monitor.throughput import Utilization
from benchmark.training.state import build_state
from benchmark.training.train_step import Stepper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark.data.loader import TrainBatch
    from benchmark.training.state import TrainState
    from benchmark.training.task import TrainSpec


ROUNDS = 5
"""What is measured takes turns: a machine that grows faster or slower favours nothing."""


class Speeds(NamedTuple):
    """Clips a second of one process with one device, and what the device does meanwhile."""

    device: str
    end_to_end: float
    """Reading clips and training, as `train` does."""
    synthetic: float
    """Training on one batch that lies on the device: nothing to wait for."""
    loader: float
    """Reading clips alone."""
    gflops_per_clip: float
    """Multiply-adds of one forward pass, in 10^9."""
    mfu: float
    """Of `synthetic`."""
    memory_gib: float
    """Peak of the device; 0 on a CPU."""


def measure(task: TrainSpec, *, seconds: float) -> Speeds:
    """Measure for about `seconds` each, in turns; weights are trained a little and thrown away.

    Raises:
        FormatError: The modality or the weights to start from cannot be read.
    """
    fabric = alone(task.recipe)
    parts = build_state(task, fabric)
    stepper = Stepper(parts, task.recipe, task.seed)
    utilization = Utilization(parts, task.recipe)
    endless = _endless(parts)
    first = [_on_device(next(endless), fabric.device) for _ in parts.order.own_micro_batches]
    same = itertools.cycle(first)
    parts.model.train()
    ways = {
        "synthetic": _training(parts, stepper, same),
        # Before end to end, which would else begin with what was read ahead meanwhile.
        "loader": lambda: sum(len(next(endless).clip_id) for _ in first),
        "end_to_end": _training(parts, stepper, endless),
    }
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    for way in ROUNDS * list(ways):
        speeds[way].append(_rate(ways[way], seconds / ROUNDS, fabric.device))
    found = {way: median(rates) for way, rates in speeds.items()}
    cuda = fabric.device.type == "cuda"
    return Speeds(
        device=device_name(fabric.device),
        **found,
        gflops_per_clip=utilization.flops / 2e9,
        mfu=utilization.of(found["synthetic"]),
        memory_gib=torch.cuda.max_memory_allocated() / 2**30 if cuda else 0.0,
    )


def _training(
    parts: TrainState, stepper: Stepper, batches: Iterator[TrainBatch]
) -> Callable[[], int]:
    """A training step, which says how many clips it took."""
    meter, numbers = Meter(parts.fabric.device, [0.0, 0.0, 0.0]), itertools.count()

    def once() -> int:
        number = next(numbers)
        stepper.step(number, batches, meter)
        meter.not_finite(before=number)
        return parts.order.clips_of(number % parts.order.steps)

    return once


def _rate(once: Callable[[], int], seconds: float, device: torch.device) -> float:
    """Clips a second of calls that say how many clips they took; the first two do not count."""
    for _ in range(2):
        once()
    _wait(device)
    began, clips = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        clips += once()
    _wait(device)
    return clips / (time.perf_counter() - began)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _endless(parts: TrainState) -> Iterator[TrainBatch]:
    """The batches of all epochs, again and again."""
    while True:
        yield from parts.batches


def _on_device(batch: TrainBatch, device: torch.device) -> TrainBatch:
    x = tuple(tensor.to(device) for tensor in batch.x)
    return batch._replace(x=x, label=batch.label.to(device))
