"""The graph of a skeleton: any layout of keypoints as a center and edges toward it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
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
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import shortest_path

    count = len(layout.points)
    ends = np.array(layout.edges, np.int64).reshape(-1, 2).T
    near = csr_array((np.ones(ends.shape[1]), ends), (count, count))
    far = shortest_path(near, directed=False, unweighted=True)  # inf between parts
    joined = np.isfinite(far)
    # Each part once, the largest first; of equal ones that with the first point.
    parts = sorted(np.unique(joined, axis=0), key=lambda part: (-part.sum(), part.argmax()))
    center, *others = (
        min(np.flatnonzero(part).tolist(), key=lambda at: far[at, part].sum()) for part in parts
    )
    steps = far[center]
    for middle in others:
        steps = np.minimum(steps, 1 + far[middle])
    edges = [*((middle, center) for middle in others), *layout.edges]
    inward = tuple((a, b) if steps[a] >= steps[b] else (b, a) for a, b in edges if a != b)
    parent = list(range(count))
    for point, nearer in reversed(inward):  # the first neighbor is written last, and stays
        if steps[nearer] < steps[point]:
            parent[point] = nearer
    return SkeletonGraph(center, inward, tuple(parent))
