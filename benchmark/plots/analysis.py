"""Pictures of analysis and report: calibration, members, learning curves, gestures in videos."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.plots.figures import BLUE, COLORS, MARKERS, ON_LIGHT, ORANGE, VERMILION, plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from benchmark.contracts.intervals import Intervals
    from benchmark.evaluation.diversity import Complementarity
    from benchmark.evaluation.scores import Calibration

COLUMNS = 2
"""Learning curves beside each other."""


def calibration_figure(bins: Calibration, title: str) -> Figure:
    """Draw accuracy over confidence, and how many clips each bin holds."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled = bins.count > 0
    middle = (bins.edges[1:] + bins.edges[:-1]) / 2
    width = bins.edges[1] - bins.edges[0]
    top.plot([0, 1], [0, 1], color="#666666", linestyle="--", linewidth=1)
    top.annotate("as sure as it is right", (0.03, 0.09), rotation=38, size=8, color="#444444")
    sure, right = bins.confidence[filled], bins.accuracy[filled]
    top.bar(middle[filled], right, 0.92 * width, color=BLUE, alpha=0.45)
    top.plot(sure, right, color=VERMILION, marker="D", linewidth=1)
    top.set(ylabel="share of correct predictions", ylim=(0, 1))
    top.set_title(f"{plain(title)}: ECE {100 * bins.ece:.2f} %", loc="left", size=11)
    bottom.bar(middle, bins.count, 0.92 * width, color="#888888")
    bottom.set(ylabel="clips", xlabel="confidence (probability of the prediction)", xlim=(0, 1))
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
    return figure


def complementarity_figure(members: Complementarity) -> Figure:
    """Draw disagreement and union of each pair, and what each member adds."""
    names, count = members.names, len(members.names)
    # Below each other: beside each other, their words would be too small for a phone.
    figure = Figure(figsize=(6.4, 4.5 + 1.0 * count), layout="constrained")
    panels = figure.subplots(3, 1)
    _matrix(panels[0], names, members.disagreement, "predicted differently (% of clips)")
    _matrix(panels[1], names, members.union, "at least one right (diagonal: alone)")
    _gains(panels[2], members)
    return figure


def _matrix(axes: Axes, names: Sequence[str], share: NDArray[np.float64], title: str) -> None:
    # One member alone disagrees with nobody: a range of 0 to 0 would be no range.
    axes.imshow(share, cmap="Blues", vmin=0, vmax=max(share.max(), 1e-9))
    for row, column in np.ndindex(share.shape):
        # White numbers on dark cells, black ones on light cells.
        dark = share[row, column] > 0.6 * share.max()
        axes.text(
            column, row, f"{100 * share[row, column]:.1f}", ha="center", va="center", size=8,
            color="white" if dark else ON_LIGHT,
        )  # fmt: skip
    places = range(len(names))
    axes.set_xticks(places, [plain(name) for name in names], rotation=45, ha="right", size=8)
    axes.set_yticks(places, [plain(name) for name in names], size=8)
    axes.tick_params(length=0)
    axes.set_title(title, loc="left", size=10)


def _gains(axes: Axes, members: Complementarity) -> None:
    places = np.arange(len(members.names))
    for values, shift, color, label, hatch in (
        (members.shapley, -0.2, BLUE, "on average over all orders (Shapley)", ""),
        (members.without, 0.2, ORANGE, "lost without it", "///"),
    ):
        bars = axes.barh(
            places + shift, 100 * values, 0.38, color=color, label=label, hatch=hatch,
            edgecolor="white",
        )  # fmt: skip
        axes.bar_label(bars, fmt="%+.2f", size=8, padding=2)
    axes.axvline(0, color="#444444", linewidth=1)
    axes.margins(x=0.18)
    axes.set_yticks(places, [plain(name) for name in members.names], size=8)
    axes.invert_yaxis()
    axes.set_xlabel("points of top-1")
    axes.set_title(
        f"equal weights {100 * members.fused:.2f} %, oracle {100 * members.oracle:.2f} %",
        loc="left", size=10,
    )  # fmt: skip
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14))


def curves_figure(histories: Mapping[str, pd.DataFrame], kept: Mapping[str, int]) -> Figure:
    """Draw top-1 and loss of training and validation over epochs, one panel per experiment.

    A history has the columns `epoch`, `train/top1`, `val/top1`, and, if measured, the losses;
    `kept` is the epoch of the weights that each experiment keeps, from 1.
    """
    rows = -(-len(histories) // COLUMNS)
    figure = Figure(figsize=(6.8, 2.2 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    # The last row of panels may be longer than the experiments that are left.
    for axes in panels[len(histories) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, histories, strict=False):
        losses = axes.twinx()
        _curves(axes, histories[name], "top1", 100, "-")
        _curves(losses, histories[name], "loss", 1, ":")
        # Only now: a limit that is set before a curve is drawn cuts off what lies above it.
        axes.set_ylim(0, 100)
        losses.set_ylim(bottom=0)
        axes.axvline(kept[name], color="#888888", linewidth=1, zorder=0)
        axes.set_title(plain(name), loc="left", size=10)
        axes.set_xlabel("epoch", size=8)
        axes.xaxis.get_major_locator().set_params(integer=True)
        last = histories[name]["epoch"].max()
        axes.set_xlim(0.5, last + 0.5)  # one epoch alone is a point in the middle
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("top-1 in % (solid)", size=8)
    figure.axes[len(panels)].set_ylabel("loss in nats (dotted)", size=8)
    panels[0].legend(frameon=False, fontsize=8)
    return figure


def _curves(axes: Axes, history: pd.DataFrame, metric: str, factor: float, style: str) -> None:
    for split, color, marker, label in (
        ("train", BLUE, "o", "training"), ("val", VERMILION, "D", "validation"),
    ):  # fmt: skip
        if (key := f"{split}/{metric}") in history:
            measured = history[["epoch", key]].dropna()
            axes.plot(
                measured["epoch"], factor * measured[key], color=color, marker=marker,
                markersize=3, linestyle=style, label=label,
            )  # fmt: skip


WRAP = 26
"""Letters of a class name in a line: a phone shows the whole picture."""


def overlaps_figure(curves: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw average precision over the overlap that it asks for.

    `curves`: name of a system and split -> overlap -> mean over classes, in [0, 1].
    """
    figure = Figure(figsize=(6.4, 3), layout="constrained")
    axes = figure.add_subplot()
    for place, (name, curve) in enumerate(curves.items()):
        axes.plot(
            [float(overlap) for overlap in curve], [100 * ap for ap in curve.values()],
            color=COLORS[place % len(COLORS)], marker=MARKERS[place % len(MARKERS)],
            label=plain(name),
        )  # fmt: skip
    axes.set(xlabel="least overlap (intersection over union)", ylabel="mean AP in %", ylim=(0, 100))
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
    axes.set(ylim=(len(labels) - 0.5, -0.5), xlim=(0, None), xlabel="seconds")
    axes.grid(axis="x", alpha=0.3)
    figure.legend(frameon=False, fontsize=8, loc="outside upper right", ncols=2)
    return figure
