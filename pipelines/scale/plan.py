"""How long a graph of stages takes on so many slots, by the durations of earlier runs."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


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
    order = [stage for stage in upstream if stage in stages]
    ends: dict[str, float] = {}
    waiting, running = list(order), list[tuple[float, str]]()
    now, used = 0.0, 0
    while waiting or running:
        for stage in [s for s in waiting if all(u in ends for u in upstream[s] if u in stages)]:
            if stage in free or used < slots:
                waiting.remove(stage)
                used += stage not in free
                heapq.heappush(running, (now + seconds[stage], stage))
        now, done = heapq.heappop(running)
        ends[done] = now
        used -= done not in free
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
