"""Fusions whose rule is fitted out of fold: on every labeled clip instead of on validation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from benchmark.contracts.folds import FoldTable, oof_labels
from benchmark.contracts.predictions import Probabilities, read_probabilities
from benchmark.core.pinned_file import sha256
from benchmark.results.join_folds import check_joined
from submission.fusion.fit import fit_with_nested
from submission.fusion.fuse import apply

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.contracts.clips import Clips
    from benchmark.params.params import Fusion
    from submission.fusion.fitted import FittedFusion


class FusedOutOfFold(NamedTuple):
    """A fusion that is fitted out of fold."""

    fitted: FittedFusion
    oof: Probabilities
    """Each clip is fused by a fit on other videos, or other persons: the honest answers."""
    test: Probabilities
    """Of the fit on all clips, applied to the members' means over folds."""


def fuse_oof(
    name: str, fusion: Fusion, clips: Clips, folds: FoldTable, members: Path
) -> FusedOutOfFold:
    """Fit a fusion on the members' out-of-fold probabilities.

    Args:
        name: The fusion.
        fusion: Its members, rule and temperature.
        clips: The index.
        folds: The folds of its edition, which the probabilities must be of.
        members: Folder of the joined probabilities of all experiments.

    Raises:
        FormatError: A file is missing or breaks its schema.
        MismatchError: A file is of other folds, or the members cannot be joined.
    """
    files = {key: members / key / "oof.parquet" for key in fusion.members}
    tests = {key: members / key / "test.parquet" for key in fusion.members}
    read = {file: read_probabilities(file) for file in (*files.values(), *tests.values())}
    for file, one in read.items():
        check_joined(one, folds, where=file)
    truth = oof_labels(clips, folds.over, folds.groups)
    oof = [read[file] for file in files.values()]
    fitted, nested = fit_with_nested(fusion.rule, fusion.temperature, oof, truth)
    assert nested is not None, "folds have at least two groups"
    fitted = fitted.model_copy(
        update={"test_files": {key: sha256(file) for key, file in tests.items()}}
    )
    test = apply(fitted, [read[file] for file in tests.values()], source=name)
    stamp = oof[0].stamp
    return FusedOutOfFold(
        fitted, replace(nested, source=name, stamp=stamp), replace(test, stamp=stamp)
    )
