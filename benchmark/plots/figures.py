"""Pictures of results. Figure objects only: nothing touches pyplot's global state.

Colors are of Okabe & Ito (2008), told apart with every common color blindness; what a color
says is said by a shape or a word too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from benchmark.core.errors import FormatError
from benchmark.core.files import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
COLOURS = (BLUE, ORANGE, GREEN, VERMILION, "#CC79A7", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
ABSENT = "#e4e4e4"
"""Background of a class without clips."""

DPI = 120


@dataclass(frozen=True)
class Bar:
    """One line of `results_figure`: top-1 with its interval, all fractions."""

    name: str
    top1: float
    low: float
    high: float
    fusion: bool


@dataclass(frozen=True)
class Sample:
    """One clip of `samples_figure`."""

    clip: str
    frames: NDArray[np.uint8]
    """uint8 (T, H, W, 3)."""
    label: str
    answer: str
    share: float
    """Probability of the answer, in [0, 1]."""
    right: bool


def samples_figure(samples: Sequence[Sample]) -> Figure:
    """One row a clip: its frames, what it is, and what was answered."""
    figure = Figure(figsize=(12, 0.6 + 1.25 * max(len(samples), 1)), layout="constrained")
    rows = figure.subplots(max(len(samples), 1), 1, squeeze=False)[:, 0]
    for axes in rows:
        axes.set_axis_off()
    for axes, sample in zip(rows, samples, strict=False):
        axes.imshow(np.concatenate(list(sample.frames), axis=1), aspect="equal")
        mark, color = ("✓", GREEN) if sample.right else ("✗", VERMILION)
        text = f"{mark} {plain(sample.answer)}  {100 * sample.share:.0f} %"
        text += "" if sample.right else f"   (is: {plain(sample.label)})"
        axes.set_title(f"{text}   {plain(sample.clip)}", loc="left", size=9, color=color)
    return figure


def confusion_figure(matrix: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Clips by label (row) and answer (column): counts as numbers, shares of the row as color.

    `matrix` is int64 (K, K). A class that has no clip has a gray row.

    Raises:
        FormatError: The matrix does not have one row and one column a class.
    """
    num_classes = len(classes)
    if matrix.shape != (num_classes, num_classes):
        raise FormatError(
            "confusion figure",
            "wrong shape",
            expected=f"{num_classes} classes",
            found=str(matrix.shape),
        )
    clips = matrix.sum(axis=1)
    share = matrix / np.maximum(clips, 1)[:, None]
    side = 4.5 + 0.36 * num_classes
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row in np.flatnonzero(clips == 0):
        axes.axhspan(row - 0.5, row + 0.5, color=ABSENT, zorder=1)
    for row, column in np.argwhere(matrix > 0):
        color = "white" if share[row, column] > 0.55 else "black"
        axes.text(
            column, row, str(matrix[row, column]), ha="center", va="center", size=7, color=color
        )
    _class_ticks(axes, classes, clips)
    bar = figure.colorbar(image, ax=axes, fraction=0.03, pad=0.01)
    bar.set_label("share of the clips of the label")
    right, total = int(np.trace(matrix)), int(matrix.sum())
    axes.set_title(f"{right} of {total} clips right; numbers are clips", loc="left", size=11)
    return figure


def history_figure(
    history: pd.DataFrame, *, losses: Sequence[str], scores: Sequence[str]
) -> Figure:
    """Curves over epochs: `losses` in nats at the left, `scores` (fractions) in % at the right.

    `history` has the column `epoch` and the named ones; NaN (not measured) is left out.

    Raises:
        FormatError: A named column is missing.
    """
    missing = [name for name in ("epoch", *losses, *scores) if name not in history.columns]
    if missing:
        raise FormatError(
            "history", f"no column '{missing[0]}'", found=", ".join(map(str, history.columns))
        )
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, names, factor, unit in zip(
        panels, (losses, scores), (1, 100), ("loss (nats)", "score (%)"), strict=True
    ):
        for index, name in enumerate(names):
            known = history[["epoch", name]].dropna()
            axes.plot(
                known["epoch"],
                known[name] * factor,
                label=name,
                markersize=4,
                color=COLOURS[index % len(COLOURS)],
                marker=MARKERS[index % len(MARKERS)],
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if names:
            axes.legend(frameon=False)
    return figure


def results_figure(bars: Sequence[Bar], *, title: str, comparable: bool, majority: float) -> Figure:
    """Top-1 of each row with its 95 % interval, and top-1 of always answering one class.

    Where `comparable` is false the picture itself says that the data are generated, so that it
    cannot be taken for a result when it is shown without its page.

    Raises:
        FormatError: There is no row to show.
    """
    if not bars:
        raise FormatError("results figure", "no rows")
    figure = Figure(figsize=(9, 1.9 + 0.36 * len(bars)), layout="constrained")
    axes = figure.add_subplot()
    for row, bar in enumerate(bars):
        color, marker = (VERMILION, "D") if bar.fusion else (BLUE, "o")
        axes.plot([100 * bar.low, 100 * bar.high], [row, row], color=color, linewidth=2)
        axes.plot(100 * bar.top1, row, marker=marker, color=color, markersize=7)
        axes.annotate(
            f"{100 * bar.top1:.2f}",
            (100 * bar.high, row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            size=9,
        )
    axes.axvline(100 * majority, color="#666666", linestyle="--", linewidth=1)
    axes.annotate(
        "always the largest class",
        (100 * majority, len(bars) - 0.45),
        xytext=(3, 0),
        textcoords="offset points",
        size=8,
        color="#444444",
        va="center",
    )
    axes.set_yticks(range(len(bars)), [bar.name for bar in bars])
    axes.set_ylim(len(bars) - 0.2, -0.6)
    axes.set_xlim(left=0, right=max(1, *(110 * bar.high for bar in bars)))
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("top-1 in %, 95 % interval (videos resampled); ◆ fusion, ● single stream")
    note = "" if comparable else "GENERATED DATA, not comparable with iMiGUE\n"
    axes.set_title(note + title, loc="left", size=11, color="black" if comparable else VERMILION)
    return figure


def plain(text: str) -> str:
    """A name as it is: matplotlib takes what stands between dollars for mathematics."""
    return text.replace("$", r"\$")


def save(figure: Figure, path: Path) -> None:
    """Write a PNG that holds no date and no version, so equal figures give equal bytes."""
    with replacing(path) as work:
        figure.savefig(work, format="png", dpi=DPI, metadata={"Software": None})


def _class_ticks(axes: Axes, classes: Sequence[str], clips: NDArray[np.int64]) -> None:
    """Names with index and number of clips at the rows, index and name at the columns."""
    places = range(len(classes))
    rows = [f"{plain(name)}  {index:>2}  (n={clips[index]})" for index, name in enumerate(classes)]
    axes.set_yticks(places, rows, size=8)
    axes.set_xticks(
        places,
        [f"{index} {plain(name)}" for index, name in enumerate(classes)],
        size=8,
        rotation=90,
    )
    axes.set_ylabel("label")
    axes.set_xlabel("answer")
    axes.set_xticks(np.arange(len(classes) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(classes) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#dddddd", linewidth=0.5)
    axes.tick_params(which="both", length=0)
