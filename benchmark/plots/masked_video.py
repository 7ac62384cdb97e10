"""Pictures of masked pre-training."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmark.plots.figures import BLUE, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Frames = NDArray[np.float32]


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
    axes.set(xlabel="epoch", ylabel="mean squared error of hidden pixels")
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    return figure
