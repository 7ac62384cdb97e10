"""Pictures of online recognition: average precision over overlaps, and one video's gestures."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from benchmark.plots.figures import BLUE, COLORS, MARKERS, ORANGE, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark.contracts.intervals import Intervals

WRAP = 26
"""Letters of a class name in a line: a phone shows the whole picture."""


def overlaps_figure(curves: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw average precision over the overlap that it asks for.

    Args:
        curves: Name of a system and split -> overlap -> mean over classes, in [0, 1].
    """
    figure = Figure(figsize=(6.4, 3), layout="constrained")
    axes = figure.add_subplot()
    for place, (name, curve) in enumerate(curves.items()):
        axes.plot(
            [float(overlap) for overlap in curve], [100 * ap for ap in curve.values()],
            color=COLORS[place % len(COLORS)], marker=MARKERS[place % len(MARKERS)],
            label=plain(name),
        )  # fmt: skip
    axes.set_ylim(0, 100)
    axes.set(xlabel="least overlap (intersection over union)", ylabel="mean AP in %")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure


def timeline_figure(truth: Intervals, found: Intervals, video: str, fps: float) -> Figure:
    """Draw one video: per class its labeled gestures, and thinner below them those found.

    Args:
        truth: Labels.
        found: A system's intervals, those that count as found.
        video: Which video of both.
        fps: Its frames per second.
    """
    parts = [each.rows(each.video == each.videos.index(video)) for each in (truth, found)]
    labels = np.union1d(parts[0].label, parts[1].label)
    figure = Figure(figsize=(6.4, 1.1 + 0.34 * len(labels)), layout="constrained")
    axes = figure.add_subplot()
    for part, color, (top, height), name in zip(
        parts, (BLUE, ORANGE), ((-0.36, 0.38), (0.06, 0.24)), ("labeled", "found"), strict=True
    ):
        axes.barh(
            np.searchsorted(labels, part.label) + top, (part.end - part.start) / fps, height,
            left=part.start / fps, align="edge", color=color, label=name,
        )  # fmt: skip
    names = ["\n".join(textwrap.wrap(plain(truth.classes[k]), WRAP)) for k in labels]
    axes.set_yticks(range(len(labels)), names, size=8)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(frameon=False, fontsize=8, loc="outside upper right", ncols=2)
    return figure
