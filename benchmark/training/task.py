"""All that a training hangs on, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.modalities.union import Modality
    from benchmark.params.params import Experiment
    from benchmark.params.recipes import Recipe
    from benchmark.training.checkpoint import Progress


@dataclass(frozen=True)
class TrainSpec:
    """One training."""

    experiment: Experiment
    recipe: Recipe
    modality: Modality
    modality_folder: Path
    init_folder: Path
    clips: Clips
    classes: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class TrainResult:
    """The kept weights and what they say of validation, one view a clip."""

    progress: Progress
    weights: dict[str, torch.Tensor]
    epoch: int
    val: NDArray[np.float32]
    """float32 (N, K), in the index's order."""
    start: str
    """What the training started from, in one line."""
