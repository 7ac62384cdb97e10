"""A trained network -> probabilities of one split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.contracts.predictions import Probabilities
from benchmark.data.loader import TestClips, build_views, test_loader
from benchmark.inference.forward import probabilities
from benchmark.runtime.distributed import alone
from benchmark.runtime.seeding import set_up_torch

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.editions.splits import Split
    from benchmark.params.recipes import Recipe
    from benchmark.weights.model_folder import Network

CLIPS_AT_ONCE = 2
"""Least clips whose views are read together; few, because a clip can have a dozen large views."""


def predict(
    network: Network, modality_folder: Path, clips: Clips, split: Split, recipe: Recipe,
    *, quick: bool = False,
) -> Probabilities:  # fmt: skip
    """Compute probabilities of the clips of a split from all test views, in the index's order.

    Args:
        network: The network.
        modality_folder: Data prepared as the metadata says.
        clips: The index.
        split: Whose clips to predict.
        recipe: Precision, threads, micro-batch size and loader processes.
        quick: Whether the first view of a clip is enough.

    Raises:
        FormatError: The weights are damaged or of another network, or the prepared data cannot be
            read.
        ClipUnreadable: The prepared data of a clip are damaged.
    """
    metadata = network.metadata
    set_up_torch(metadata.seed, threads=recipe.threads, deterministic=recipe.deterministic)
    views = build_views(metadata.input, metadata.modality, modality_folder, clips)
    model = network.build(views.layout)
    fabric = alone(recipe)
    fabric.setup_module(model)
    rows = clips.split(split)
    dataset = TestClips(views, rows.ids, quick=quick)
    at_once = max(CLIPS_AT_ONCE, recipe.micro_batch_size // (1 if quick else metadata.input.views))
    batches = test_loader(dataset, batch_size=at_once, workers=recipe.loader_workers)
    p = probabilities(fabric, model, batches, views_at_once=recipe.micro_batch_size)
    p = p.reshape(-1, len(metadata.classes))  # (0, 0) for a split without clips
    return Probabilities(
        metadata.edition, split, metadata.experiment, metadata.classes, tuple(rows.ids), p,
        transductive=metadata.transductive,
    )  # fmt: skip
