"""The network of a fold -> probabilities of the clips that it never saw, and of test."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.contracts.predictions import FoldStamp, Probabilities
from benchmark.core.errors import MismatchError
from benchmark.editions.splits import OOF, REFIT
from benchmark.inference.predict import predict
from benchmark.weights.model_folder import Network

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.contracts.folds import FoldTable
    from benchmark.params.folds import FoldRun
    from benchmark.params.recipes import Recipe


def predict_fold(
    entry: FoldRun, recipe: Recipe, clips: Clips, folds: FoldTable, *, model: Path, modality: Path
) -> dict[str, Probabilities]:
    """Compute probabilities of test and, out of fold, of what the fold holds out.

    Args:
        entry: The entry of `fold_graph.runs`.
        recipe: Precision, threads, micro-batch size and loader processes.
        clips: The index.
        folds: The folds of its edition.
        model: Folder of the network.
        modality: Folder of the prepared data.

    Returns:
        By the stem of the file: `oof`, which a network of all clips lacks, and `test`.

    Raises:
        MismatchError: The network is of no fold or of another one, or has seen what is held out.
        FormatError: The model or the prepared data cannot be read.
        ClipUnreadable: The prepared data of a clip are damaged.
    """
    network = Network.read(model)
    seen = network.metadata.seen
    if seen is None or seen.fold != entry.fold:
        found = seen.fold if seen else "a model of no fold"
        raise MismatchError(model, "not the network of the fold", expected=entry.fold, found=found)
    # By the network's own record of what it learned from, not by the name of its folder.
    seen.check_unseen(folds.groups_of(entry.fold), folds.digest, where=model)
    stamp = FoldStamp(folds.digest, seen.fold, folds.groups, folds.over)
    view = folds.view(clips, entry.fold)
    found = {"test": predict(network, modality, view, "test", recipe)}
    if entry.fold != REFIT:
        held_out = predict(network, modality, view, "val", recipe)
        found[OOF] = replace(held_out, split=OOF)
    return {
        split: replace(one, source=entry.experiment, stamp=stamp) for split, one in found.items()
    }
