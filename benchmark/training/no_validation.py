"""Training where no clip is left for validation: own clips without such a split."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from benchmark.contracts.clips import Clips

if TYPE_CHECKING:
    from benchmark.params.params import Params
    from benchmark.params.recipes import Recipe


def last_epoch(recipe: Recipe) -> Recipe:
    """Return the recipe with its last epoch as the model, whatever validation says."""
    select = recipe.select_checkpoint.model_copy(update={"epoch": "last", "patience": None})
    return recipe.model_copy(update={"select_checkpoint": select})


def without_validation(name: str, params: Params, clips: Clips) -> tuple[Params, Clips]:
    """Let the training clips stand in for validation, and keep the last epoch.

    Args:
        name: The experiment.
        params: The whole of params.yaml.
        clips: The index, which has no clip in val.
    """
    recipe = params.experiments[name].recipe
    recipes = {**params.recipes, recipe: last_epoch(params.recipes[recipe])}
    stand_in = [replace(clip, split="val") for clip in clips.with_excluded if clip.split == "train"]
    both = Clips(clips.edition, (*clips.with_excluded, *stand_in))
    return params.model_copy(update={"recipes": recipes}), both
