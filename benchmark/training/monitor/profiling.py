"""How fast an experiment trains on this machine, and what limits it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmark.runtime.distributed import alone, device_name
from benchmark.training.monitor.meter import Meter
from benchmark.training.monitor.on_paper import kind_of
from benchmark.training.monitor.throughput import Utilization
from benchmark.training.state import TrainSpec, TrainState, build_state
from benchmark.training.train_step import train_step

if TYPE_CHECKING:
    from benchmark.data.loader import TrainBatch

ROUNDS = 5
"""The measurements take turns, so that a machine that slows down over time favors none."""


class Speeds(NamedTuple):
    """Speeds of one process with one device, in clips per second, and how busy the device is."""

    device: str
    end_to_end: float
    """Reading clips and training, as `train` does."""
    ready: float
    """Training on one batch that is on the device already, without waiting for clips."""
    loader: float
    """Reading clips alone."""
    gflops_per_clip: float
    """Multiply-adds of one forward pass, in 10^9."""
    mfu: float
    """Model FLOPs utilization at the speed `ready`."""
    memory_gib: float
    """Peak of the device; 0 on a CPU."""


def measure(spec: TrainSpec, *, seconds: float) -> Speeds:
    """Measure each speed for about `seconds`. The weights are trained a little and discarded.

    Raises:
        FormatError: The prepared data or the initial weights cannot be read.
    """
    fabric = alone(spec.recipe)
    state = build_state(spec, fabric)
    utilization = Utilization(state)
    endless = _endless(state)
    step_batches = [
        _on_device(next(endless), fabric.device) for _ in state.sampler.own_micro_batches
    ]
    state.model.train()
    measurements = {
        "ready": _training(state, itertools.cycle(step_batches)),
        # Before `end_to_end`, which would else start with what workers read ahead meanwhile.
        "loader": lambda: sum(len(next(endless).clip_id) for _ in step_batches),
        "end_to_end": _training(state, endless),
    }
    rates: dict[str, list[float]] = {name: [] for name in measurements}
    for name in ROUNDS * list(measurements):
        rates[name].append(_rate(measurements[name], seconds / ROUNDS, fabric.device))
    speeds = {name: median(values) for name, values in rates.items()}
    cuda = fabric.device.type == "cuda"
    return Speeds(
        device=device_name(fabric.device), **speeds, gflops_per_clip=utilization.flops / 2e9,
        mfu=utilization.of(speeds["ready"]),
        memory_gib=torch.cuda.max_memory_allocated() / 2**30 if cuda else 0.0,
    )  # fmt: skip


def _training(state: TrainState, batches: Iterator[TrainBatch]) -> Callable[[], int]:
    """Return a function that takes a training step and returns its number of clips."""
    meter, numbers = Meter(state.fabric.device), itertools.count()

    def take_step() -> int:
        number = next(numbers)
        train_step(state, number, batches, meter)
        meter.not_finite(before=number)  # part of a step's cost in the training loop
        return state.sampler.clips_of(number % state.sampler.steps)

    return take_step


def _rate(take: Callable[[], int], seconds: float, device: torch.device) -> float:
    """Return clips per second of calls that return their number of clips."""
    for _ in range(2):  # the first calls choose kernels and allocate memory
        take()
    _wait(device)
    began, clips = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        clips += take()
    _wait(device)
    return clips / (time.perf_counter() - began)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def _endless(state: TrainState) -> Iterator[TrainBatch]:
    while True:
        yield from state.batches


def _on_device(batch: TrainBatch, device: torch.device) -> TrainBatch:
    x = tuple(tensor.to(device) for tensor in batch.x)
    return batch._replace(x=x, label=batch.label.to(device))


class Traced(NamedTuple):
    """One operator over all traced steps."""

    name: str
    kind: str
    calls: int
    seconds: float
    """On the device, without the operators that it calls."""
    gib: float
    """Memory that it took, less what it freed."""


class Trace(NamedTuple):
    """Some steps of a training."""

    device: str
    steps: int
    seconds: float
    """Of the clock."""
    waited: float
    """Seconds in which the loop waited for clips."""
    operators: list[Traced]
    """The one that takes longest first."""


def trace(spec: TrainSpec, *, steps: int, out: Path) -> Trace:
    """Trace `steps` steps after two others. The weights are trained a little and discarded.

    Give few: a trace holds every call of an operator. `out` gets the timeline, for
    chrome://tracing or ui.perfetto.dev.

    Raises:
        FormatError: The prepared data or the initial weights cannot be read.
    """
    fabric = alone(spec.recipe)
    state = build_state(spec, fabric)
    state.model.train()
    meter = Meter(fabric.device)
    cuda = fabric.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    batches = meter.timed(_endless(state))
    for number in range(2):  # the first steps choose kernels and allocate memory
        train_step(state, number, batches, meter)
    waited, began = meter.waited, time.perf_counter()
    with profile(activities=activities, profile_memory=True, acc_events=True) as profiler:
        for number in range(2, 2 + steps):
            train_step(state, number, batches, meter)
        _wait(fabric.device)
        passed = time.perf_counter() - began
    out.parent.mkdir(parents=True, exist_ok=True)
    profiler.export_chrome_trace(str(out))
    place = "device" if cuda else "cpu"
    rows = [
        Traced(
            event.key.removeprefix("aten::"), kind_of(event.key.removeprefix("aten::")),
            event.count, getattr(event, f"self_{place}_time_total") / 1e6,
            getattr(event, f"self_{place}_memory_usage") / 2**30,
        )
        for event in profiler.key_averages()
        # A GPU's kernels are events of their own beside the operators that start them.
        if event.device_type == DeviceType.CPU
    ]  # fmt: skip
    rows.sort(key=lambda one: -one.seconds)
    return Trace(device_name(fabric.device), steps, passed, meter.waited - waited, rows)
