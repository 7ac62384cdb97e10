"""Pictures of an analysis: how sure a system is, and how its members complement each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from benchmark.plots.figures import BLUE, ORANGE, VERMILION, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from benchmark.evaluation.calibration import Calibration
    from benchmark.evaluation.diversity import Complementarity


def calibration_figure(bins: Calibration, title: str) -> Figure:
    """Draw accuracy over confidence, and how many clips each bin holds."""
    figure = Figure(figsize=(5.5, 6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    filled = bins.count > 0
    middle = (bins.edges[1:] + bins.edges[:-1]) / 2
    width = bins.edges[1] - bins.edges[0]
    top.plot([0, 1], [0, 1], color="#666666", linestyle="--", linewidth=1)
    top.annotate("as sure as it is right", (0.03, 0.09), rotation=38, size=8, color="#444444")
    top.bar(middle[filled], bins.accuracy[filled], 0.92 * width, color=BLUE, alpha=0.45)
    top.plot(
        bins.confidence[filled], bins.accuracy[filled], color=VERMILION, marker="D", linewidth=1
    )
    top.set_ylabel("share of correct predictions")
    top.set_ylim(0, 1)
    top.set_title(f"{plain(title)}: ECE {100 * bins.ece:.2f} %", loc="left", size=11)
    bottom.bar(middle, bins.count, 0.92 * width, color="#888888")
    bottom.set_ylabel("clips")
    bottom.set_xlabel("confidence (probability of the prediction)")
    bottom.set_xlim(0, 1)
    for axes in (top, bottom):
        axes.grid(alpha=0.3)
    return figure


def complementarity_figure(members: Complementarity) -> Figure:
    """Draw disagreement and union of each pair, and what each member adds."""
    names, count = members.names, len(members.names)
    figure = Figure(figsize=(6 + 1.9 * count, 3 + 0.55 * count), layout="constrained")
    panels = figure.subplots(1, 3, width_ratios=(1, 1, 1.1))
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
            color="white" if dark else "black",
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
