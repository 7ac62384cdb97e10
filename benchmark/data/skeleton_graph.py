"""The graph of a skeleton: any layout of keypoints as a center and edges toward it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.contracts.skeletons import Layout


class SkeletonGraph(NamedTuple):
    """A connected graph over the points of a layout, by their local indices."""

    center: int
    """The point that is the fewest edges away from all others of the largest part."""
    inward: tuple[tuple[int, int], ...]
    """Every edge as (point, neighbor nearer to the center); of equally near ones, either."""
    parent: tuple[int, ...]
    """Where the bone of each point begins: its first neighbor nearer to the center. The center's
    parent is the center itself."""


def skeleton_graph(layout: Layout) -> SkeletonGraph:
    """Derive the graph of a layout.

    A part of the skeleton that no edge joins to the center, such as the lips of `openpose36`, gets
    an edge from its own middle to the center: otherwise its features would reach no other point.
    """
    count = len(layout.points)
    neighbors: dict[int, list[int]] = {point: [] for point in range(count)}
    for start, end in layout.edges:
        neighbors[start].append(end)
        neighbors[end].append(start)
    center, *others = _middles(neighbors)
    steps = _steps(neighbors, center)
    for middle in others:
        steps |= {point: 1 + far for point, far in _steps(neighbors, middle).items()}
    edges = [*((middle, center) for middle in others), *layout.edges]
    inward = tuple((a, b) if steps[a] >= steps[b] else (b, a) for a, b in edges if a != b)
    parent = list(range(count))
    for point, nearer in reversed(inward):  # the first neighbor is written last, and stays
        if steps[nearer] < steps[point]:
            parent[point] = nearer
    return SkeletonGraph(center, inward, tuple(parent))


def _middles(neighbors: Mapping[int, Sequence[int]]) -> list[int]:
    """Find the middle of each connected part, that of the largest part first."""
    left, parts = {*neighbors}, []
    while left:
        parts.append(sorted(_steps(neighbors, min(left))))
        left -= {*parts[-1]}
    parts.sort(key=len, reverse=True)  # stable: of equal parts the one with the first point
    return [min(part, key=lambda at: sum(_steps(neighbors, at).values())) for part in parts]


def _steps(neighbors: Mapping[int, Sequence[int]], start: int) -> dict[int, int]:
    """Count the edges from `start` to every point that it reaches."""
    steps, queue = {start: 0}, [start]
    for point in queue:  # grows while it is walked
        for neighbor in neighbors[point]:
            if neighbor not in steps:
                steps[neighbor] = steps[point] + 1
                queue.append(neighbor)
    return steps
