"""Checkpoints, from which a stopped training resumes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from benchmark.core.files import replacing, write_text

if TYPE_CHECKING:
    from pathlib import Path
log = logging.getLogger(__name__)


@dataclass
class Progress:
    """How far a training is, and what it selected so far."""

    epoch: int = 0
    """Epochs finished."""
    step: int = 0
    """Steps done of the epoch after."""
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """Over those steps: loss times clips, clips answered correctly, clips."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Metrics of each finished epoch."""
    best_epoch: int = 0
    best_value: float = -1.0
    """The selection metric at `best_epoch`."""
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    val: torch.Tensor | None = None
    """Validation probabilities of the selected epoch: float32 (N, K)."""


class Checkpoints:
    """The folder of one training's checkpoint, named by a hash of all that its result depends on.

    Random draws depend on the seed and the step alone (`seed_micro_batch`, `ClipBatchSampler`), so
    a checkpoint holds no state of a random generator.
    """

    def __init__(self, root: Path, experiment: str, *key: str) -> None:
        digest = hashlib.blake2b("\n".join(key).encode(), digest_size=8).hexdigest()
        self._folder = root / experiment
        self._file = self._folder / digest / "last.pt"

    def save(self, progress: Progress, state: dict[str, Any]) -> None:
        """Replace the checkpoint by a new one; a kill at any moment leaves one of the two whole."""
        with replacing(self._file) as work:
            torch.save({"progress": vars(progress), **state}, work)
            with work.open("rb") as file:
                # Without it, a power cut may leave the new name with an empty file.
                os.fsync(file.fileno())

    def load(self) -> tuple[Progress, dict[str, Any]] | None:
        """Return the last checkpoint, on the CPU, or None if there is none or it is damaged."""
        if not self._file.is_file():
            return None
        try:
            state = torch.load(self._file, weights_only=True, map_location="cpu")
            return Progress(**state.pop("progress")), state
        except (PermissionError, MemoryError):
            raise  # the checkpoint may be whole
        except Exception as error:  # a broken file can raise anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            log.warning("%s is damaged (%s): the training starts anew", self._file, reason)
            return None

    def write_not_finite(self, step: int, name: str, value: float, clips: list[str]) -> Path:
        """Write the clips of a step whose loss or gradient is not finite; return the file.

        Args:
            step: Number of the step over all epochs.
            name: `loss` or `gradient`.
            value: Infinite or NaN.
            clips: Ids of the clips that may have caused it.
        """
        path = self._folder / "not_finite.json"
        report = {"step": step, name: str(value), "clips": clips}
        write_text(path, json.dumps(report, indent=1) + "\n")
        return path

    def clear(self) -> None:
        """Delete the checkpoints of this experiment, those of older settings too."""
        shutil.rmtree(self._folder, ignore_errors=True)
