"""Which operators a training spends its time and memory on, by torch's profiler."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmark.runtime.distributed import alone, device_name
from benchmark.training.monitor.meter import Meter
from benchmark.training.monitor.on_paper import kind_of
from benchmark.training.state import build_state
from benchmark.training.train_step import train_step

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.training.state import TrainSpec


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
    endless = itertools.chain.from_iterable(itertools.repeat(state.batches))
    cuda = fabric.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    batches = meter.timed(endless)
    for number in range(2):  # the first steps choose kernels and allocate memory
        train_step(state, number, batches, meter)
    waited, began = meter.waited, time.perf_counter()
    with profile(activities=activities, profile_memory=True, acc_events=True) as profiler:
        for number in range(2, 2 + steps):
            train_step(state, number, batches, meter)
        if cuda:
            torch.cuda.synchronize()
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
