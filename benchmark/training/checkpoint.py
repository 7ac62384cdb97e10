"""Checkpoints, from which a stopped training resumes."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmark.core.files import replacing, write_text
from benchmark.core.pinned_file import content_hashes
from benchmark.runtime.memory import CPU_WORDS
from benchmark.training.monitor.meter import NOTHING

log = logging.getLogger(__name__)

LAST = "last.pt"
PARTS = "key.json"
"""Beside a checkpoint: the hash of each thing that its training depends on."""


@dataclass
class Progress:
    """How far a training is, and what it selected so far."""

    epoch: int = 0
    """Epochs finished."""
    step: int = 0
    """Steps done of the epoch after."""
    sums: Sequence[float] = NOTHING
    """Over those steps, of all processes: what a `Meter` sums up."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Metrics of each finished epoch."""
    best_epoch: int = 0
    best_value: float = -1.0
    """The selection metric at `best_epoch`."""
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    val: torch.Tensor | None = None
    """Validation probabilities of the selected epoch: float32 (N, K)."""


def data_key(places: Iterable[Path], cache: Path) -> str:
    """Name every file below `places` with the hash of its content, which `cache` remembers."""
    files = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
    return "\n".join(map("{0.name} {1}".format, files, content_hashes(files, cache)))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _is_of_the_machine(error: Exception) -> bool:
    """Tell whether a file that cannot be read may be whole: memory or the disk failed."""
    if isinstance(error, OSError):
        return error.errno != errno.EINVAL  # of the places in a damaged zip
    return isinstance(error, MemoryError) or CPU_WORDS in str(error)


class Checkpoints:
    """The folder of one training's checkpoint, named by a hash of all that its result depends on.

    Random draws depend on the seed and the step alone (`seed_micro_batch`, `ClipBatchSampler`), so
    a checkpoint holds no state of a random generator.
    """

    def __init__(self, root: Path, experiment: str, key: Mapping[str, str]) -> None:
        self._parts = {name: _digest(text) for name, text in key.items()}
        self._folder = root / experiment
        self._file = self._folder / _digest("\n".join(key.values())) / LAST

    def save(self, progress: Progress, state: dict[str, Any]) -> None:
        """Replace the checkpoint by a new one; a kill at any moment leaves one of the two whole."""
        # First: every checkpoint says what it is of.
        if not (parts := self._file.with_name(PARTS)).exists():
            write_text(parts, json.dumps(self._parts, indent=1) + "\n")
        # Into an open file: of a path, torch hides why the system refuses to write it.
        with replacing(self._file) as work, work.open("wb") as file:
            torch.save({"progress": vars(progress), **state}, file)
            file.flush()
            # Without it, a power cut may leave the new name with an empty file.
            os.fsync(file.fileno())

    def others(self) -> list[str]:
        """Describe checkpoints that this training cannot resume from: file, and what differs."""
        lines = []
        for file in sorted({*self._folder.glob(f"*/{LAST}")} - {self._file}):
            parts: dict[str, str] = {}
            with suppress(FileNotFoundError, ValueError):
                parts = json.loads(file.with_name(PARTS).read_text("utf-8"))
            differ = [name for name, digest in self._parts.items() if parts.get(name) != digest]
            lines.append(f"{file} (differs in: {', '.join(differ) if parts else 'unknown'})")
        return lines

    def load(self) -> tuple[Progress, dict[str, Any]] | None:
        """Return the last checkpoint, on the CPU, or None if there is none or it is damaged.

        A damaged one is kept under another name.
        """
        if not self._file.is_file():
            return None
        try:
            state = torch.load(self._file, weights_only=True, map_location="cpu")
            return Progress(**state.pop("progress")), state
        except Exception as error:  # a broken file can raise anything
            if _is_of_the_machine(error):
                raise
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            aside = self._file.with_suffix(".damaged")
            with suppress(FileNotFoundError):  # another process of this training was faster
                self._file.replace(aside)
            log.warning("%s is damaged (%s): the training starts anew", aside, reason)
            return None

    @property
    def not_finite(self) -> Path:
        """File for the clips of a step whose loss or gradient is not finite."""
        return self._folder / "not_finite.json"

    def clear(self) -> None:
        """Delete the checkpoints of this experiment, those of older settings too."""
        shutil.rmtree(self._folder, ignore_errors=True)
