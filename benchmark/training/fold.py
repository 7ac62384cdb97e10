"""Train an experiment on all folds but one, or on all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.contracts.folds import FoldTable, group_of
from benchmark.training.experiment import TrainPaths, run
from benchmark.training.state import last_epoch
from benchmark.weights.initial import seen_by_start
from benchmark.weights.model_folder import Seen

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.params.params import Params


def run_fold(name: str, params: Params, clips: Clips, folds: FoldTable, paths: TrainPaths) -> None:
    """Train one entry of `fold_graph.runs`.

    The last epoch is kept whatever the recipe says: to choose one by the clips that the fold holds
    out would be to see them.

    Args:
        name: The entry, as `joint-fold2`.
        params: The whole of params.yaml.
        clips: The index.
        folds: The folds of its edition.
        paths: Folders and files to read and write.

    Raises:
        MismatchError: The initial weights have seen what the fold holds out.
        TrainingError: See `run`.
        FormatError: See `run`.
    """
    entry = params.fold_graph.runs[name]
    held_out, view = folds.groups_of(entry.fold), folds.view(clips, entry.fold)
    groups = {group_of(clip, folds.groups) for clip in view.split("train")}
    if start := seen_by_start(paths.init_from, clips.edition):
        start.check_unseen(held_out, folds.digest, where=f"{name}: its start {paths.init_from}")
        groups |= {*start.groups}
    seen = Seen(folds=folds.digest, fold=entry.fold, groups=tuple(sorted(groups)))
    recipe = last_epoch(params.recipes[entry.recipe])
    experiments = {name: params.experiments[entry.experiment]}
    of_fold = {"experiments": experiments, "recipes": {entry.recipe: recipe}}
    run(name, params.model_copy(update=of_fold), view, paths, seen)
