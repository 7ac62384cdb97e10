"""A trained model -> probabilities of one split."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightning_fabric import Fabric

from benchmark.models import build
from benchmark.predictions import Probabilities
from benchmark.training.checkpoint import load_weights, read_card
from benchmark.training.forward import probabilities
from benchmark.training.loader import TestClips, build_views, test_loader
from benchmark.training.seeding import make_deterministic

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.clips import Clips
    from benchmark.editions import Split
    from benchmark.recipe_params import Recipe


def predict(
    model_folder: Path, media_folder: Path, clips: Clips, split: Split, recipe: Recipe
) -> Probabilities:
    """All test views of every clip of `split`, in the index's order.

    Raises:
        FormatError: The model or the media cannot be read.
        ClipUnreadable: The stored media of a clip are damaged.
    """
    card = read_card(model_folder)
    make_deterministic(card.seed, threads=recipe.threads)
    views = build_views(card.input, card.media, media_folder, clips)
    model = build(card.backbone, card.input, views.layout, num_classes=len(card.classes))
    load_weights(model_folder, model)
    fabric = Fabric(accelerator="auto", devices=1, precision=recipe.precision)
    rows = clips.split(split)
    dataset = TestClips(views, rows, quick=False)
    batch_size = max(1, recipe.batch_size // card.input.views)
    batches = test_loader(dataset, batch_size=batch_size, workers=recipe.loader_workers)
    p = probabilities(fabric, fabric.setup(model), batches)
    return Probabilities(card.edition, split, card.experiment, card.classes, tuple(rows.ids), p)
