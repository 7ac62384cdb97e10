"""What a training says of itself: a line per epoch, and what it cost in all."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.core.files import csv_text, write_text

if TYPE_CHECKING:
    import torch

HISTORY, COST = "history.csv", "cost.json"
Row = dict[str, float]


class Countdown:
    """Estimates the time left from the epochs of this process."""

    def __init__(self, done: int, of: int) -> None:
        self._begun, self._done, self._of = time.monotonic(), done, of

    def line(self, row: Row) -> str:
        """Describe an epoch that has ended: loss, scores in percent if any, speed, time left."""
        epoch = int(row["epoch"])
        passed = time.monotonic() - self._begun
        left = passed / max(1, epoch - self._done) * (self._of - epoch)
        rest = f", about {_duration(left)} left" if epoch < self._of else ""
        scores = "" if "val/loss" not in row else (
            f", top-1 {100 * row['train/top1']:.1f} %; validation loss {row['val/loss']:.3f}, top-1"
            f" {100 * row['val/top1']:.1f} %, macro-F1 {100 * row['val/macro_f1']:.1f} %"
        )  # fmt: skip
        return (
            f"epoch {epoch} of {self._of}: training loss {row['train/loss']:.3f}{scores};"
            f" {row['clips_s']:.0f} clips/s{rest}"
        )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def write_history(
    folder: Path, columns: Sequence[str], history: Sequence[Row], weights: dict[str, torch.Tensor],
    clips: int, *, device: str,
) -> None:  # fmt: skip
    """Write history.csv; and cost.json: parameters, clips per second, seconds of steps, device.

    Args:
        folder: Where to.
        columns: Of the csv.
        history: Metrics of every epoch.
        weights: Of the model.
        clips: That an epoch trains on.
        device: Name of the processor that trained last.
    """
    speeds = [row["clips_s"] for row in history]
    cost = {
        "parameters": sum(tensor.numel() for tensor in weights.values()),
        "clips_per_second": round(statistics.median(speeds), 2),
        "training_seconds": round(sum(clips / speed for speed in speeds), 1),
        "epochs": len(history),
        "device": device,
    }
    write_text(folder / COST, json.dumps(cost, indent=1) + "\n")
    # JSON writes a float with all the digits that give it back exactly.
    rows = ([json.dumps(row[column]) for column in columns] for row in history)
    write_text(folder / HISTORY, csv_text(columns, rows))
