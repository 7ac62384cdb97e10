"""Masked pre-training: the network and the epochs of a training that predicts hidden pixels."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.data.loader import TrainBatch, TrainClips, build_views
from benchmark.models.masked_autoencoder import MaskedAutoencoder
from benchmark.runtime.seeding import set_up_torch
from benchmark.training.epochs import Epochs, cpu_copy
from benchmark.training.step_state import StepState, shared_fields
from benchmark.weights.initial import load_initial_weights

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric
    from torch import Tensor

    from benchmark.contracts.clips import Clips
    from benchmark.modalities.union import Modality
    from benchmark.params.params import Pretraining
    from benchmark.training.checkpoint import Progress
    from benchmark.training.monitor.meter import Meter

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PretrainSpec:
    """Everything that the result of one pre-training depends on, besides code and machine."""

    entry: Pretraining
    modality: Modality
    frames: Path
    """Folder of the prepared windows."""
    init_folder: Path
    clips: Clips
    """The windows, all splits together."""
    seed: int
    transductive: bool
    """Whether test videos take part."""


@dataclass(frozen=True)
class PretrainResult:
    """The weights of the last epoch."""

    progress: Progress
    model: MaskedAutoencoder
    weights: dict[str, torch.Tensor]
    initial_weights: str
    """Which weights it started from, in one line."""


class MaskedState(StepState):
    """Network, optimizer and windows of one process."""

    def micro_batch_loss(self, step: int, batch: TrainBatch, meter: Meter) -> Tensor:
        x = tuple(tensor.to(self.fabric.device, non_blocking=True) for tensor in batch.x)
        loss = self.net(x)
        meter.add(step, loss, batch.clip_id)
        return loss


def build_masked_state(spec: PretrainSpec, fabric: Fabric) -> MaskedState:
    """Build everything that a pre-training needs, on this process's device.

    Raises:
        FormatError: The prepared windows or the initial weights cannot be read.
        TrainingError: There are too few windows.
    """
    entry, recipe = spec.entry, spec.entry.recipe
    # Before the network is built: its initial weights come from this seed.
    set_up_torch(spec.seed, threads=recipe.threads, deterministic=recipe.deterministic)
    views = build_views(
        entry.input, spec.modality, spec.frames, spec.clips, cache_gib=recipe.cache_gib
    )
    model = MaskedAutoencoder(entry.backbone, entry.input, entry.masking)
    initial_weights = load_initial_weights(spec.init_folder, model, (), points=None)
    log.info("initial weights: %s", initial_weights)
    windows = TrainClips(views, spec.clips, spec.seed, labeled=False)
    no_labels = np.zeros(len(spec.clips), np.int64)
    shared = shared_fields(recipe, model, windows, no_labels, seed=spec.seed, fabric=fabric)
    return MaskedState(**shared, initial_weights=initial_weights)


class MaskedTrainer(Epochs[PretrainResult]):
    """One pre-training in progress. Nothing is validated: it keeps the last epoch."""

    _build = staticmethod(build_masked_state)

    def result(self) -> PretrainResult:
        state = self._state
        weights = cpu_copy(state.evaluated)
        return PretrainResult(self.progress, state.evaluated, weights, state.initial_weights)


pretrain = MaskedTrainer.train
