"""How long a graph of stages takes on so many slots, by the durations of earlier runs."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter
from typing import NamedTuple


class Schedule(NamedTuple):
    """When a set of stages would be done."""

    total: float
    """Seconds on one slot."""
    makespan: float
    """Seconds on the slots asked for."""
    path: tuple[str, ...]
    """The critical path: stages that wait for each other and take longest."""
    length: float
    """Seconds of the critical path: no number of slots is faster."""


def schedule(
    upstream: Mapping[str, Collection[str]],
    stages: Collection[str],
    seconds: Mapping[str, float],
    *,
    slots: int,
    free: Collection[str] = (),
) -> Schedule:
    """Start each stage, as make does, as soon as what it reads is there and a slot is free.

    Args:
        upstream: Stage -> the stages that it reads from, in an order in which they may run.
        stages: Those to run; the others are done.
        seconds: How long each takes.
        slots: How many run at once.
        free: Stages that need no slot.
    """
    place = {stage: k for k, stage in enumerate(s for s in upstream if s in stages)}
    order = list(place)
    waits = {stage: [u for u in upstream[stage] if u in place] for stage in order}
    sorter = TopologicalSorter(waits)
    sorter.prepare()
    ready, running = list[int](), list[tuple[float, int]]()  # heaps; of equals, the first in order
    now, used = 0.0, 0
    while sorter.is_active():
        for stage in sorter.get_ready():
            if stage in free:
                heapq.heappush(running, (now + seconds[stage], place[stage]))
            else:
                heapq.heappush(ready, place[stage])
        while ready and used < slots:
            at, used = heapq.heappop(ready), used + 1
            heapq.heappush(running, (now + seconds[order[at]], at))
        now, at = heapq.heappop(running)
        used -= order[at] not in free
        sorter.done(order[at])
    path = _critical(upstream, order, seconds)
    total = sum(seconds[stage] for stage in order)
    return Schedule(total, now, path, sum(seconds[stage] for stage in path))


def _critical(
    upstream: Mapping[str, Collection[str]], order: list[str], seconds: Mapping[str, float]
) -> tuple[str, ...]:
    paths: dict[str, tuple[float, tuple[str, ...]]] = {}
    for stage in order:
        before = max((paths[u] for u in upstream[stage] if u in paths), default=(0.0, ()))
        paths[stage] = (before[0] + seconds[stage], (*before[1], stage))
    return max(paths.values(), default=(0.0, ()))[1]
