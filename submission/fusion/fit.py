"""Fit a fusion rule on validation, and estimate what the fit is worth on other videos.

Legend: M members, N clips, K classes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmark.contracts.predictions import ANY, Probabilities
from benchmark.core.errors import MismatchError
from benchmark.editions.splits import OOF
from benchmark.evaluation.metrics import score
from submission.fusion.blend import Blend
from submission.fusion.fitted import FORMAT, Estimate, FittedFusion, parameters_of
from submission.fusion.fuse import check_members, stacked
from submission.fusion.rules.rule import Fit, uniform_weights
from submission.fusion.temperature import Temperature, fit_with_temperature

if TYPE_CHECKING:
    from benchmark.contracts.labels import Labels
    from submission.fusion.rules.union import FusionRule

log = logging.getLogger(__name__)

MOST_REFITS = 20
"""Fits of a nested estimate: beyond so many videos, several are left out together."""
LABELED = ("val", OOF, ANY)
"""Splits that a fit may see: never test. Scores of other programs may name none."""


def fit_fusion(
    rule: FusionRule, temperature: Temperature, members: Sequence[Probabilities], truth: Labels
) -> FittedFusion:
    """Fit the rule and estimate its worth.

    The result depends neither on the order of the members nor on that of rows and clips.

    Args:
        rule: How to weigh the members.
        temperature: Where to fit temperatures around the rule.
        members: Probabilities of one labeled split, one entry per member.
        truth: The labels of its clips.

    Raises:
        MismatchError: The members disagree with each other or with `truth`, or are of test.
    """
    return fit_with_nested(rule, temperature, members, truth)[0]


def fit_with_nested(
    rule: FusionRule, temperature: Temperature, members: Sequence[Probabilities], truth: Labels
) -> tuple[FittedFusion, Probabilities | None]:
    """Fit as `fit_fusion` does, and return also what the fits on other videos answer.

    The second is None where there is one video.

    Args:
        rule: How to weigh the members.
        temperature: Where to fit temperatures around the rule.
        members: Probabilities of one labeled split, one entry per member.
        truth: The labels of its clips.

    Raises:
        MismatchError: The members disagree with each other or with `truth`, or are of test; there
            is no clip.
    """
    split = labeled_split(members)
    _check_truth(members, truth)
    order = np.argsort(truth.clip_id)  # floating-point sums depend on the order of the rows
    ids = tuple(truth.clip_id[row] for row in order)
    names, p = stacked(members, ids)
    label, video = truth.label[order], np.asarray(truth.videos, np.str_)[order]
    blocks = blocks_of(video)

    # Threads slow such small matrices down, and their number would change the last bits.
    with threadpool_limits(1, "blas"):
        fitted = fit_with_temperature(rule, temperature, names, p, label)
        refit = partial(fit_with_temperature, rule.for_part(), temperature, names)
        nested = _nested(refit, p, label, blocks)
    uniform = Blend(uniform_weights(len(names)))
    result = FittedFusion(
        format=FORMAT, edition=truth.edition, rule=rule, temperature=temperature,
        **parameters_of(fitted.blend, names),  # pyright: ignore[reportArgumentType]
        fitted_on=split, num_classes=p.shape[2], evaluations=fitted.evaluations,
        num_clips=len(label), num_videos=len(np.unique(video)),
        absent=tuple(sorted({*range(p.shape[2])} - {*label.tolist()})),
        uniform=_estimate(uniform(p), label),
        fitted=_estimate(fitted.blend(p), label),
        nested=None if nested is None else _estimate(nested, label),
        test_files={},  # stage `fuse` adds them: a fit sees no files
    )  # fmt: skip
    if nested is None:
        return result, None
    answers = replace(
        members[0], source=OOF, clip_id=ids, p=nested.astype(np.float32), note="",
        transductive=any(member.transductive for member in members),
    )  # fmt: skip
    return result, answers


def _check_truth(members: Sequence[Probabilities], truth: Labels) -> None:
    for member in members:
        truth.joined(member, where=f"fit of {member.source}")
    if not truth.clip_id:
        raise MismatchError(
            "fit of a fusion", f"the split {truth.split} of {truth.edition} has no clip to fit on",
            do="Give some videos the split val, or fit out of fold: docs/folds.md",
        )  # fmt: skip


def labeled_split(members: Sequence[Probabilities]) -> Literal["val", "oof", "any"]:
    """Return the split of members on which a fit is allowed.

    Raises:
        MismatchError: They disagree with each other, or are of test.
    """
    check_members(members)
    first, split = members[0], members[0].split
    if split not in LABELED:
        raise MismatchError(
            f"fit of {first.source}", "fitted on validation only", expected="val", found=split,
            do="Fit on scores of val, then apply the fit to those of test",
        )  # fmt: skip
    return split


def blocks_of(videos: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
    """Number the videos of the clips, int64 (N,); beyond `MOST_REFITS`, several share a number."""
    return np.unique(np.asarray(videos), return_inverse=True)[1].astype(np.int64) % MOST_REFITS


def _estimate(p: NDArray[np.float64], label: NDArray[np.int64]) -> Estimate:
    return Estimate(**score(p, label).model_dump(include={*Estimate.model_fields}))


def _nested(
    refit: Callable[[NDArray[np.float64], NDArray[np.int64]], Fit], p: NDArray[np.float64],
    label: NDArray[np.int64], block: NDArray[np.int64],
) -> NDArray[np.float64] | None:  # fmt: skip
    # Clips of each block (N,) are fused by a fit on all others; one alone leaves none to fit on.
    if block.max() < 1:
        log.warning("one video, or none known: nothing estimates the fit on others")
        return None
    fused = np.empty(p.shape[1:])
    for number in range(block.max() + 1):
        held_out = block == number
        fused[held_out] = refit(p[:, ~held_out], label[~held_out]).blend(p[:, held_out])
    return fused
