"""Inputs, state and result of one training run."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.contracts.clips import Clips
from benchmark.data.loader import (
    TestBatch,
    TestClips,
    TrainBatch,
    TrainClips,
    build_views,
    test_loader,
)
from benchmark.models.network import build
from benchmark.models.text_projection import add_text
from benchmark.runtime.seeding import set_up_torch
from benchmark.training.losses import Loss, read_vectors
from benchmark.training.step_state import StepState, shared_fields
from benchmark.training.train_step import draw_mix
from benchmark.weights.initial import load_initial_weights, points_of

if TYPE_CHECKING:
    import numpy as np
    import torch
    from lightning_fabric import Fabric
    from numpy.typing import NDArray
    from torch import Tensor
    from torch.utils.data import DataLoader

    from benchmark.modalities.union import Modality
    from benchmark.models.union import Backbone
    from benchmark.params.params import Experiment, Params
    from benchmark.params.recipes import Recipe
    from benchmark.training.checkpoint import Progress
    from benchmark.training.monitor.meter import Meter
    from benchmark.weights.model_folder import Seen

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainSpec:
    """Everything that the result of one training depends on, besides code and machine."""

    experiment: Experiment
    recipe: Recipe
    modality: Modality
    modality_folder: Path
    init_folder: Path
    """Folder of the model whose weights training starts from."""
    clips: Clips
    classes: tuple[str, ...]
    seed: int
    group_of: tuple[int, ...] = ()
    """Group of each class in the edition, 0 to G - 1."""
    seen: Seen | None = None
    """What the network of a fold learns from, to be written down; None for others."""

    @property
    def head_groups(self) -> tuple[int, ...] | None:
        """The groups that the network's head knows; None for a flat head."""
        return self.group_of if self.experiment.head == "groups" else None


@dataclass(frozen=True)
class TrainResult:
    """The selected weights and their validation probabilities."""

    progress: Progress
    weights: dict[str, torch.Tensor]
    epoch: int
    """The epoch of these weights, from 1."""
    val: NDArray[np.float32]
    """Probabilities from one view per clip: float32 (N, K), in the index's order."""
    initial_weights: str
    """Which weights training started from, in one line."""
    backbone: Backbone
    """That of the experiment; of a grid, the chosen one."""


@dataclass(frozen=True)
class TrainState(StepState):
    """Network, optimizer and labeled clips of one process."""

    loss: Loss
    options: int
    """Networks side by side, one per head; validation chooses one."""
    val_batches: DataLoader[TestBatch]
    """This process's share of the validation clips: every `world_size`-th one."""

    def micro_batch_loss(self, step: int, batch: TrainBatch, meter: Meter) -> Tensor:
        device, recipe = self.fabric.device, self.recipe
        # The loader pins memory, so these copies run while the GPU still computes.
        x = tuple(tensor.to(device, non_blocking=True) for tensor in batch.x)
        label = batch.label.to(device, non_blocking=True)
        mix = draw_mix(recipe.mixup, len(batch.clip_id), device, cutmix=recipe.cutmix)
        logits, *projected = self.model.split(self.net(x, mix))
        loss = self.loss(logits, label, mix, *projected)
        answers = logits.detach().float().softmax(2).mean(1).argmax(1)
        correct = (answers == label).sum()
        meter.add(step, loss / self.options, batch.clip_id, correct=correct)
        return loss

    def choose(self, option: int) -> None:
        """Remember which of the networks side by side is the best."""
        if self.options > 1:
            for model in (self.model, self.evaluated):
                model.cls_head.best.fill_(option)

    def drop_frozen_gradients(self, step: int) -> None:
        if step < self.recipe.freeze_epochs * self.sampler.steps:
            # Not `requires_grad`: DDP waits for the gradient of every parameter that it was built
            # with.
            for parameter in self.model.backbone.parameters():
                parameter.grad = None


def build_state(spec: TrainSpec, fabric: Fabric) -> TrainState:
    """Build everything that a training needs, on this process's device.

    Raises:
        FormatError: The prepared data or the initial weights cannot be read.
        TrainingError: There are fewer clips than a step has micro-batches.
    """
    recipe, experiment, train_clips = spec.recipe, spec.experiment, spec.clips.split("train")
    # Before the network is built: its initial weights come from this seed.
    set_up_torch(spec.seed, threads=recipe.threads, deterministic=recipe.deterministic)
    views = build_views(
        experiment.input, spec.modality, spec.modality_folder, spec.clips,
        cache_gib=recipe.cache_gib,
    )  # fmt: skip
    model = build(
        experiment.backbone, experiment.input, views.layout, num_classes=len(spec.classes),
        groups=spec.head_groups,
    )  # fmt: skip
    # Before initial weights are loaded: a trained classifier stays as it is.
    for name, parameter in model.cls_head.named_parameters():
        if ".fc_" in f".{name}":
            parameter.data *= recipe.head_scale
    initial_weights = load_initial_weights(
        spec.init_folder, model, spec.classes,
        points=points_of(
            experiment.input, spec.modality, views.layout.names if views.layout else None
        ),
        groups=spec.head_groups,
    )  # fmt: skip
    log.info("initial weights: %s", initial_weights)
    vectors = read_vectors(recipe.text_loss, spec.classes) if recipe.text_loss else None
    if vectors is not None:
        add_text(model, vectors.shape[1])
    labels, clips = train_clips.labels(), TrainClips(views, train_clips, spec.seed)
    shared = shared_fields(recipe, model, clips, labels, seed=spec.seed, fabric=fabric)
    own_val = spec.clips.split("val").ids[fabric.global_rank :: fabric.world_size]
    return TrainState(
        **shared,
        initial_weights=initial_weights,
        options=experiment.backbone.options,
        loss=Loss(
            recipe, labels, len(spec.classes), fabric.device, group_of=spec.group_of,
            vectors=vectors,
        ),
        val_batches=test_loader(
            TestClips(views, own_val, quick=True), batch_size=recipe.micro_batch_size,
            workers=recipe.loader_workers,
        ),
    )  # fmt: skip


def last_epoch(recipe: Recipe) -> Recipe:
    """Return the recipe with its last epoch as the model, whatever validation says."""
    select = recipe.select_checkpoint.model_copy(update={"epoch": "last", "patience": None})
    return recipe.model_copy(update={"select_checkpoint": select})


def without_validation(name: str, params: Params, clips: Clips) -> tuple[Params, Clips]:
    """Let the training clips stand in for validation, and keep the last epoch."""
    recipe = params.experiments[name].recipe
    recipes = {**params.recipes, recipe: last_epoch(params.recipes[recipe])}
    stand_in = [replace(clip, split="val") for clip in clips.with_excluded if clip.split == "train"]
    both = Clips(clips.edition, (*clips.with_excluded, *stand_in))
    return params.model_copy(update={"recipes": recipes}), both
