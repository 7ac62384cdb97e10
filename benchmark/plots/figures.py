"""Pictures of results. Figure objects only: nothing touches pyplot's global state.

The colors are those of Okabe & Ito (2008), which people with any common color blindness can tell
apart; a shape or a word always repeats what a color says.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from benchmark.core.errors import FormatError
from benchmark.core.files import replacing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from benchmark.editions.edition import Edition
    from benchmark.results.table import ResultRow

    Frames = NDArray[np.float32]

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
COLORS = (BLUE, ORANGE, GREEN, VERMILION, "#CC79A7", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
ABSENT = "#e4e4e4"
"""Background of a class without clips."""

ON_LIGHT = "#111111"
"""Numbers on light cells, which stay light on a dark page."""

DPI = 120
INK = re.compile(r"#(?:000000|444444|666666)\b")
"""Black and the grays of words and axes: an SVG takes those of its page."""
IDS = re.compile(r'\bid="|url\(#|href="#')
"""What stands before an id, where it is given and where it is used."""


@dataclass(frozen=True)
class Sample:
    """One clip of `samples_figure`."""

    clip: str
    frames: NDArray[np.uint8]
    """uint8 (T, H, W, 3)."""
    label: str
    prediction: str
    probability: float
    """Of the predicted class, in [0, 1]."""
    right: bool


def samples_figure(samples: Sequence[Sample]) -> Figure:
    """Draw one row per clip: frames, predicted class and, where that is wrong, the label."""
    figure = Figure(figsize=(12, 0.6 + 1.25 * max(len(samples), 1)), layout="constrained")
    # matplotlib refuses a grid of no rows, and a split may have no clip to show.
    rows = figure.subplots(max(len(samples), 1), 1, squeeze=False)[:, 0]
    for axes in rows:
        axes.set_axis_off()
    for axes, sample in zip(rows, samples, strict=False):
        axes.imshow(np.concatenate(list(sample.frames), axis=1), aspect="equal")
        mark, color = ("✓", GREEN) if sample.right else ("✗", VERMILION)
        text = f"{mark} {plain(sample.prediction)}  {100 * sample.probability:.0f} %"
        text += "" if sample.right else f"   (is: {plain(sample.label)})"
        axes.set_title(f"{text}   {plain(sample.clip)}", loc="left", size=9, color=color)
    return figure


def confusion_figure(matrix: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Draw clips by label (row) and prediction (column): counts as numbers, row shares as color.

    `matrix` is int64 (K, K). A class that has no clip has a gray row.

    Raises:
        FormatError: The matrix does not have one row and one column per class.
    """
    num_classes = len(classes)
    if matrix.shape != (num_classes, num_classes):
        expected, found = f"{num_classes} classes", str(matrix.shape)
        raise FormatError("confusion figure", "wrong shape", expected=expected, found=found)
    clips = matrix.sum(axis=1)
    # The gray row of an absent class is drawn over its shares: here they must only not be 0 / 0.
    share = matrix / np.maximum(clips, 1)[:, None]
    side = 4.5 + 0.36 * num_classes
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row in np.flatnonzero(clips == 0):
        axes.axhspan(row - 0.5, row + 0.5, color=ABSENT, zorder=1)
    for row, column in np.argwhere(matrix > 0):
        color = "white" if share[row, column] > 0.55 else ON_LIGHT
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
    """Draw curves over epochs: `losses` in nats at the left, `scores` in % at the right.

    `history` has the column `epoch` and the named ones, scores as fractions; NaN (not measured) is
    left out.

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
            measured = history[["epoch", name]].dropna()
            axes.plot(
                measured["epoch"], measured[name] * factor, label=name, markersize=4,
                color=COLORS[index % len(COLORS)], marker=MARKERS[index % len(MARKERS)],
            )  # fmt: skip
        axes.set(xlabel="epoch", ylabel=unit, ylim=(0, None))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        if names:
            axes.legend(frameon=False)
    return figure


def results_figure(rows: Sequence[ResultRow], edition: Edition) -> Figure:
    """Draw top-1 of the rows of one split with 95 % intervals, and the majority baseline.

    Raises:
        FormatError: There is no row to show.
    """
    if not rows:
        raise FormatError("results figure", "no rows")
    figure = Figure(figsize=(6.4, 1.4 + 0.27 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        _interval_line(axes, place, row)
    baseline = 100 * rows[0].majority_baseline
    axes.axvline(baseline, color="#666666", linestyle="--", linewidth=1)
    axes.annotate(
        "always the largest class", (baseline, len(rows) - 0.45), xytext=(3, 0),
        textcoords="offset points", size=8, color="#444444", va="center",
    )  # fmt: skip
    axes.set_yticks(range(len(rows)), [row.title for row in rows])
    # From high to low: the first row is at the top, and the baseline's words have room below.
    axes.set_ylim(len(rows) - 0.2, -0.6)
    axes.set_xlim(left=0, right=max(1, *(119 * _bounds(row)[1] for row in rows)))
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("top-1 in %, 95 % interval (videos resampled)\n◆ fusion, ● single stream")
    title, color = f"{edition.title}, {rows[0].split}", "black"
    # In the picture itself, so that nobody takes it for a result when it is shown without its page.
    if not edition.comparable:
        title = f"GENERATED DATA, not comparable with iMiGUE\n{edition.name}, {rows[0].split}"
        color = VERMILION
    axes.set_title(title, loc="left", size=11, color=color)
    return figure


def _bounds(row: ResultRow) -> tuple[float, float]:
    """Return the ends of the line: the score itself where there is no interval."""
    if row.interval is None:
        return row.metrics.top1, row.metrics.top1
    return row.interval.low, row.interval.high


def _interval_line(axes: Axes, place: int, row: ResultRow) -> None:
    color, marker = (VERMILION, "D") if row.rule else (BLUE, "o")
    bounds = [100 * bound for bound in _bounds(row)]
    axes.plot(bounds, [place, place], color=color, linewidth=2)
    axes.plot(100 * row.metrics.top1, place, marker=marker, color=color, markersize=6)
    axes.annotate(
        f"{100 * row.metrics.top1:.2f}", (bounds[1], place), xytext=(6, 0),
        textcoords="offset points", va="center", size=9,
    )  # fmt: skip


def plain(text: str) -> str:
    """Quote a name: matplotlib takes what stands between dollars for mathematics."""
    return text.replace("$", r"\$")


def svg(figure: Figure) -> str:
    """Draw a figure as an SVG element in the ink of the page around it, light or dark.

    Equal figures give equal text.
    """
    file = io.StringIO()
    # Text stays text, in the reader's font; ids come from the contents instead of at random.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "figure"}):
        nothing = {"Date": None, "Creator": None}
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    text = INK.sub("currentColor", text[text.index("<svg") :])
    # Figures of one page share no id: a browser would look for a hatch in one that is folded away.
    text = IDS.sub(rf"\g<0>{zlib.crc32(text.encode()):08x}-", text)
    return text.replace("<svg ", '<svg fill="currentColor" ', 1)


def save(figure: Figure, path: Path) -> None:
    """Write a figure as the file that its ending names, .png or .svg; equal ones as equal bytes."""
    with replacing(path) as work:
        if path.suffix == ".svg":
            work.write_text(svg(figure), "utf-8")
        else:
            # matplotlib would write its version into the file, and another version other bytes.
            figure.savefig(work, format="png", dpi=DPI, metadata={"Software": None})


def _class_ticks(axes: Axes, classes: Sequence[str], clips: NDArray[np.int64]) -> None:
    """Write name, index and number of clips at each row, index and name at each column."""
    places = range(len(classes))
    rows = [f"{plain(name)}  {index:>2}  (n={clips[index]})" for index, name in enumerate(classes)]
    axes.set_yticks(places, rows, size=8)
    columns = [f"{index} {plain(name)}" for index, name in enumerate(classes)]
    axes.set_xticks(places, columns, size=8, rotation=90)
    axes.set(xlabel="prediction", ylabel="label")
    # Minor ticks lie between the cells, so their grid never crosses a number.
    axes.set_xticks(np.arange(len(classes) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(classes) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#dddddd", linewidth=0.5)
    axes.tick_params(which="both", length=0)


class Reconstruction(NamedTuple):
    """Some frames of one window three times, each float32 (T, H, W, 3) in [0, 1]."""

    clip: str
    whole: Frames
    masked: Frames
    """The hidden tubes are gray."""
    predicted: Frames
    """The hidden tubes are what the network predicts, with the clip's own mean and deviation."""


def reconstructions_figure(windows: Sequence[Reconstruction]) -> Figure:
    """Draw one row per window: its frames whole, with hidden tubes, and with these predicted."""
    figure = Figure(figsize=(12, 0.6 + 1.3 * len(windows)), layout="constrained")
    grid = figure.subplots(len(windows), 3, squeeze=False)
    for row, window in zip(grid, windows, strict=True):
        for axes, frames in zip(row, window[1:], strict=True):
            axes.imshow(np.concatenate(list(frames), axis=1), aspect="equal")
            axes.set_axis_off()
        row[0].set_title(plain(window.clip), loc="left", size=9)
    for axes, title in zip(grid[0, 1:], ("what the encoder sees", "predicted"), strict=True):
        axes.set_title(title, loc="left", size=9)
    return figure


def loss_figure(losses: Sequence[float]) -> Figure:
    """Draw the mean squared error of each epoch, from 1; 1 is what predicting the mean gives."""
    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(range(1, len(losses) + 1), losses, color=BLUE, marker="o", markersize=4)
    axes.axhline(1, color="#666666", linestyle="--", linewidth=1)
    axes.set(xlabel="epoch", ylabel="mean squared error of hidden pixels", ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    return figure
