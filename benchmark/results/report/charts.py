"""Pictures of the report that no other stage draws: learning curves, and recall of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from benchmark.plots.figures import BLUE, ORANGE, VERMILION, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

COLUMNS = 3
"""Learning curves beside each other."""


def curves_figure(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Draw top-1 of training and validation over epochs, one panel per experiment."""
    rows = -(-len(histories) // COLUMNS)
    figure = Figure(figsize=(11, 2.5 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True).ravel()
    # The last row of panels may be longer than the experiments that are left.
    for axes in panels[len(histories) :]:
        axes.set_axis_off()
    for axes, name in zip(panels, histories, strict=False):
        history = histories[name]
        for key, color, marker, label in (
            ("train/top1", BLUE, "o", "training"), ("val/top1", VERMILION, "D", "validation"),
        ):  # fmt: skip
            measured = history[["epoch", key]].dropna()
            axes.plot(
                measured["epoch"], 100 * measured[key], color=color, marker=marker, markersize=4,
                label=label,
            )  # fmt: skip
        axes.set_title(plain(name), loc="left", size=10)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    panels[0].legend(frameon=False, fontsize=8)
    panels[0].set_ylabel("top-1 in %")
    return figure


def classes_figure(
    matrix: NDArray[np.int64], names: Sequence[str], train: NDArray[np.int64] | None
) -> Figure:
    """Draw recall of each class or body part, the largest first.

    `matrix` is a confusion, int64 (K, K); `train` counts the training clips of each, int64 (K,).
    """
    clips = matrix.sum(1)
    order = np.argsort(-clips, kind="stable")
    figure = Figure(figsize=(9, 1.2 + 0.27 * len(names)), layout="constrained")
    axes: Axes = figure.add_subplot()
    places = np.arange(len(names))
    # A class without a clip has no recall: its bar has no length, and its label says why.
    recall = np.diag(matrix) / np.maximum(clips, 1)
    bars = axes.barh(places, 100 * recall[order], color=BLUE, height=0.7)
    shown = [f"{100 * recall[k]:.0f}" if clips[k] else "no clip" for k in order]
    axes.bar_label(bars, shown, size=8, padding=2)
    labels = [
        f"{plain(names[int(k)])}  (n={clips[k]}"
        + (f", train {train[k]})" if train is not None else ")")
        for k in order
    ]
    axes.set_yticks(places, labels, size=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 105)
    axes.axvline(
        100 * np.diag(matrix).sum() / max(clips.sum(), 1), color=ORANGE, linestyle="--",
        label="top-1 of all clips",
    )  # fmt: skip
    axes.set_xlabel("recall in %")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure
