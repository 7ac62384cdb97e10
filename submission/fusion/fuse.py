"""Several members made one, joined by clip id; all that is fitted is fitted on validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.contracts.predictions import Probabilities, check_against
from benchmark.core.errors import FormatError, MismatchError
from benchmark.evaluation.metrics import score
from submission.fusion.blend import Blend
from submission.fusion.fitted import FORMAT, Estimate, FittedFusion, parameters_of
from submission.fusion.rules import Fit, fit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from submission.fusion.spec import FusionRule, Temperature

LABELED = ("val", "oof")
"""Splits that a fit may see: never test."""


def fuse(
    members: Sequence[Probabilities], weights: Mapping[str, float], *, source: str
) -> Probabilities:
    """The weighted mean of the members, joined by clip id, in the order of the first member.

    `weights` maps each member's `source` to its weight >= 0; only their ratios matter. The sum
    runs in float64 over the members sorted by name, so their order cannot change the result.

    Raises:
        MismatchError: Two members disagree about edition, split, classes or clips.
        FormatError: The weights are not those of the members, negative, or all zero.
    """
    check_members(members)
    names = sorted(member.source for member in members)
    return blended(members, Blend(_scaled(weights, names)), source=source)


def blended(members: Sequence[Probabilities], blend: Blend, *, source: str) -> Probabilities:
    """What `blend` makes of the members, which it takes in the order of their names.

    Raises:
        MismatchError: Two members disagree about edition, split, classes or clips.
    """
    check_members(members)
    first = members[0]
    _, p = _stacked(members, first.clip_id)
    fused = blend(p).astype(np.float32)
    return Probabilities(first.edition, first.split, source, first.classes, first.clip_id, fused)


def apply(fitted: FittedFusion, members: Sequence[Probabilities], *, source: str) -> Probabilities:
    """The fitted fusion of the same members on any split.

    Raises:
        MismatchError: They are not the members of the fit, or disagree with each other.
    """
    names = sorted(member.source for member in members)
    if names != sorted(fitted.weights):
        raise MismatchError(
            "fusion",
            "not the members that it was fitted for",
            expected=", ".join(sorted(fitted.weights)),
            found=", ".join(names),
        )
    return blended(members, fitted.blend(), source=source)


def fit_fusion(
    rule: FusionRule, temperature: Temperature, members: Sequence[Probabilities], clips: Clips
) -> FittedFusion:
    """Fit the rule on `clips`, the labeled clips of the members, and estimate its worth.

    Depends neither on the order of the members nor on that of rows and clips.

    Raises:
        MismatchError: The members disagree with each other or with `clips`, or are of test.
        FormatError: The clips come from one video only, so no video can be left out.
    """
    check_members(members)
    split = members[0].split
    if split not in LABELED:
        raise MismatchError(
            f"fit of {members[0].source}", "fitted on validation only", expected="val", found=split
        )
    for member in members:
        check_against(member, clips, members[0].classes)
    order = np.argsort(clips.ids)
    names, p = _stacked(members, [clips.ids[row] for row in order])
    label, video = clips.labels()[order], np.asarray(clips.videos, np.str_)[order]

    def refit(p: NDArray[np.float64], label: NDArray[np.int64]) -> Fit:
        return fit(rule, temperature, names, p, label)

    found = refit(p, label)
    uniform = Blend(np.full(len(names), 1 / len(names)))
    return FittedFusion(
        format=FORMAT,
        edition=clips.edition,
        rule=rule,
        temperature=temperature,
        **parameters_of(found.blend, names),  # pyright: ignore[reportArgumentType]
        fitted_on=split,
        num_clips=len(label),
        num_videos=len(np.unique(video)),
        absent=tuple(sorted(set(range(p.shape[2])) - set(label.tolist()))),
        evaluations=found.evaluations,
        uniform=_estimate(uniform(p), label),
        fitted=_estimate(found.blend(p), label),
        nested=_estimate(_nested(refit, p, label, video), label),
        test_files={},
    )


def check_members(members: Sequence[Probabilities]) -> None:
    """Raise `MismatchError` unless the members can be joined.

    The message names two members and the first thing in which they differ.
    """
    if not members:
        raise MismatchError("fusion", "no members", expected="at least one")
    first, *others = members
    seen = {first.source}
    for other in others:
        where = f"fusion of {first.source} and {other.source}"
        if other.source in seen:
            raise MismatchError("fusion", f"member {other.source} comes twice")
        seen.add(other.source)
        for key in ("edition", "split"):
            one, two = getattr(first, key), getattr(other, key)
            if one != two:
                raise MismatchError(where, f"they differ in {key}", expected=one, found=two)
        if first.classes != other.classes:
            raise MismatchError(where, f"they differ in classes: {_first_class(first, other)}")
        have, want = set(other.clip_id), set(first.clip_id)
        if have != want:
            clip = min(have ^ want)
            owner = other.source if clip in have else first.source
            raise MismatchError(
                where,
                f"they differ in {len(have ^ want)} clip(s)",
                expected=f"the {len(want)} clips of {first.source}",
                found=f"{len(have)} clips; the first that differs, {clip}, is only in {owner}",
            )


def _first_class(first: Probabilities, other: Probabilities) -> str:
    if len(first.classes) != len(other.classes):
        return f"{len(first.classes)} and {len(other.classes)} of them"
    pairs = enumerate(zip(first.classes, other.classes, strict=True))
    index, (one, two) = next(item for item in pairs if item[1][0] != item[1][1])
    return f"class {index} is '{one}' and '{two}'"


def _scaled(weights: Mapping[str, float], names: Sequence[str]) -> NDArray[np.float64]:
    """Weights in the order of `names`, float64 (M,), the largest 1."""
    if set(weights) != set(names):
        raise FormatError(
            "fusion weights",
            "not the members'",
            expected=", ".join(sorted(names)),
            found=", ".join(sorted(weights)),
        )
    w = np.array([weights[name] for name in names], np.float64)
    if not np.isfinite(w).all() or (w < 0).any() or not w.any():
        found = ", ".join(f"{name} {weights[name]:g}" for name in names)
        raise FormatError(
            "fusion weights", "no weights", expected="all >= 0, not all 0", found=found
        )
    # Only ratios matter to `fuse`; with the largest at 1, no scale overflows or underflows there.
    return w / w.max()


def _stacked(
    members: Sequence[Probabilities], ids: Sequence[str]
) -> tuple[list[str], NDArray[np.float64]]:
    """Member names, sorted, and their probabilities of the clips `ids`: float64 (M, N, K)."""
    ordered = sorted(members, key=lambda member: member.source)
    p = np.stack([member.aligned(ids).p.astype(np.float64) for member in ordered])
    return [member.source for member in ordered], p


def _estimate(p: NDArray[np.float64], label: NDArray[np.int64]) -> Estimate:
    metrics = score(p, label)
    return Estimate(top1=metrics.top1, macro_f1=metrics.macro_f1, log_loss=metrics.log_loss)


def _nested(
    refit: Callable[[NDArray[np.float64], NDArray[np.int64]], Fit],
    p: NDArray[np.float64],
    label: NDArray[np.int64],
    video: NDArray[np.str_],
) -> NDArray[np.float64]:
    """Fused probabilities (N, K), each video's by a fit without it."""
    videos = np.unique(video)
    if len(videos) < 2:
        raise FormatError(
            "nested estimate", "no other video to fit on", expected="2 videos", found=str(videos[0])
        )
    fused = np.empty(p.shape[1:])
    for name in videos:
        out = video == name
        fused[out] = refit(p[:, ~out], label[~out]).blend(p[:, out])
    return fused
