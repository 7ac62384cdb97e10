"""Where a training goes on after it was stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from benchmark.core.files import replacing, write_text

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Progress:
    """What a training has done so far."""

    epoch: int = 0
    """Epochs finished."""
    step: int = 0
    """Steps done of the epoch after."""
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    """Of those steps: loss times clips, clips that were right, clips."""
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_value: float = -1.0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    val: torch.Tensor | None = None
    """Of the epoch whose weights are kept: probabilities of validation, float32 (N, K)."""


class Checkpoints:
    """The folder of one training's checkpoint, named after everything that its result hangs on.

    What is random hangs on the seed and the step (`seed_micro_batch`, `ClipBatchSampler`), so that a checkpoint
    needs no generator's state.
    """

    def __init__(self, root: Path, experiment: str, *key: str) -> None:
        digest = hashlib.blake2b("\n".join(key).encode(), digest_size=8).hexdigest()
        self._folder = root / experiment
        self._file = self._folder / digest / "last.pt"

    def save(self, progress: Progress, state: dict[str, Any]) -> None:
        """Write all that a continued training needs, in place of the one before."""
        with replacing(self._file) as work:
            torch.save({"progress": vars(progress), **state}, work)

    def load(self) -> tuple[Progress, dict[str, Any]] | None:
        """The last checkpoint, on the CPU, or None."""
        if not self._file.is_file():
            return None
        state = torch.load(self._file, weights_only=True, map_location="cpu")
        return Progress(**state.pop("progress")), state

    def note_clips(self, step: int, name: str, value: float, clips: list[str]) -> Path:
        """Write down the clips of a step whose loss or gradient is not finite; where."""
        path = self._folder / "not_finite.json"
        note = {"step": step, name: str(value), "clips": clips}
        write_text(path, json.dumps(note, indent=1) + "\n")
        return path

    def clear(self) -> None:
        """Forget the checkpoints of this experiment, older keys too."""
        shutil.rmtree(self._folder, ignore_errors=True)
