"""Several members made one: a weighted mean of probabilities, weights fitted on validation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal, assert_never

import numpy as np
from pydantic import Field, ValidationError
from scipy.optimize import minimize

from benchmark.errors import FormatError, MismatchError
from benchmark.evaluation.metrics import PROBABILITY_FLOOR, score
from benchmark.files import write_text
from benchmark.params import Convex, FusionRule, Uniform
from benchmark.predictions import Probabilities, check_against
from benchmark.schema import Strict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.clips import Clips

TINY = 1e-6
"""A fitted weight below this is 0: a member that would never change an answer is left out."""

OPTIMALITY_GAP = 1e-6
"""Nats that the fitted weights may lie above the best ones on the simplex."""

MAX_STEPS = 10_000
"""Steps of expectation maximisation after SLSQP; most often none is needed."""


class Estimate(Strict):
    """What one choice of weights scores on the clips of the validation split."""

    top1: Annotated[float, Field(ge=0, le=1)]
    log_loss: Annotated[float, Field(ge=0)]
    """Nats."""


class FittedFusion(Strict):
    """The content of weights.json: a rule, the weights it gave, and what they are worth."""

    format: Literal["fusion/1"]
    edition: str
    rule: FusionRule
    weights: dict[str, Annotated[float, Field(ge=0, le=1)]]
    """Member -> its weight; they sum to 1."""
    fitted_on: Literal["val"]
    num_clips: Annotated[int, Field(gt=0)]
    num_videos: Annotated[int, Field(gt=0)]
    uniform: Estimate
    """Before: equal weights."""
    fitted: Estimate
    """After: `weights`, scored on the clips that they were fitted on, so it flatters them."""
    nested: Estimate
    """Each video scored with weights fitted on all other videos: the honest one of the three."""


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
    first = members[0]
    ordered = sorted(members, key=lambda member: member.source)
    w = _scaled(weights, [member.source for member in ordered])
    total = np.zeros(first.p.shape, np.float64)
    for weight, member in zip(w, ordered, strict=True):
        total += weight * member.aligned(first.clip_id).p.astype(np.float64)
    p = (total / total.sum(axis=1, keepdims=True)).astype(np.float32)
    return Probabilities(first.edition, first.split, source, first.classes, first.clip_id, p)


def fit_weights(
    rule: FusionRule, members: Sequence[Probabilities], labels: Mapping[str, int]
) -> dict[str, float]:
    """Weight of each member, by `source`: >= 0, sum 1. `labels` maps clip id -> class index.

    Depends neither on the order of the members nor on that of their rows.

    Raises:
        MismatchError: The members disagree, `labels` has other clips, or it is not validation.
    """
    names, p = _stacked(members, sorted(labels))
    label = np.array([labels[clip] for clip in sorted(labels)], np.int64)
    return dict(zip(names, _fit(rule, _of_label(p, label)).tolist(), strict=True))


def fit_fusion(rule: FusionRule, members: Sequence[Probabilities], clips: Clips) -> FittedFusion:
    """Fit the rule on `clips`, the labelled validation split, and estimate what it is worth.

    Raises:
        MismatchError: The members disagree with each other or with `clips`.
        FormatError: The clips come from one video only, so no video can be left out.
    """
    check_members(members)
    for member in members:
        check_against(member, clips, members[0].classes)
    order = np.argsort(clips.ids)
    names, p = _stacked(members, [clips.ids[row] for row in order])
    label, video = clips.labels()[order], np.asarray(clips.videos, np.str_)[order]
    weights = _fit(rule, _of_label(p, label))
    uniform = np.full(len(names), 1 / len(names))
    return FittedFusion(
        format="fusion/1",
        edition=clips.edition,
        rule=rule,
        weights=dict(zip(names, weights.tolist(), strict=True)),
        fitted_on="val",
        num_clips=len(label),
        num_videos=len(np.unique(video)),
        uniform=_estimate(_mix(p, uniform), label),
        fitted=_estimate(_mix(p, weights), label),
        nested=_estimate(_nested(rule, p, label, video), label),
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


def write_fitted(fitted: FittedFusion, path: Path) -> None:
    """Write weights.json: sorted keys, equal contents give equal bytes."""
    write_text(path, json.dumps(fitted.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")


def read_fitted(path: Path) -> FittedFusion:
    """Read weights.json.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    if not path.is_file():
        raise FormatError(path, "no such file", do="Run 'dvc repro' for the stage that makes it")
    try:
        return FittedFusion.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        raise FormatError(path, f"not fitted weights: {key}: {first['msg']}") from None


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
    check_members(members)
    if members[0].split != "val":
        raise MismatchError(
            f"fit of {members[0].source}",
            "weights are fitted on validation only",
            expected="val",
            found=members[0].split,
        )
    ordered = sorted(members, key=lambda member: member.source)
    p = np.stack([member.aligned(ids).p.astype(np.float64) for member in ordered])
    return [member.source for member in ordered], p


def _of_label(p: NDArray[np.float64], label: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each member's probability of the label, at least the floor: (M, N, K) -> (N, M)."""
    return np.maximum(p[:, np.arange(len(label)), label].T, PROBABILITY_FLOOR)


def _mix(p: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean over members: (M, N, K), (M,) -> (N, K)."""
    total = np.tensordot(w, p, axes=1)
    return total / total.sum(axis=1, keepdims=True)


def _estimate(p: NDArray[np.float64], label: NDArray[np.int64]) -> Estimate:
    metrics = score(p, label)
    return Estimate(top1=metrics.top1, log_loss=metrics.log_loss)


def _nested(
    rule: FusionRule,
    p: NDArray[np.float64],
    label: NDArray[np.int64],
    video: NDArray[np.str_],
) -> NDArray[np.float64]:
    """Fused probabilities (N, K), each video's with weights fitted without it."""
    names = np.unique(video)
    if len(names) < 2:
        raise FormatError(
            "nested estimate", "no other video to fit on", expected="2 videos", found=str(names[0])
        )
    fused = np.empty(p.shape[1:])
    for name in names:
        out = video == name
        fused[out] = _mix(p[:, out], _fit(rule, _of_label(p[:, ~out], label[~out])))
    return fused


def _fit(rule: FusionRule, q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (M,) on the simplex from the members' probabilities of the label `q` (N, M)."""
    uniform = np.full(q.shape[1], 1 / q.shape[1])
    match rule:
        case Uniform():
            return uniform
        case Convex(shrinkage=shrinkage):
            w = (1 - shrinkage) * _least_log_loss(q) + shrinkage * uniform
            w[w < TINY] = 0
            return w / w.sum()
        case _:
            assert_never(rule)


def _least_log_loss(q: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights that minimise mean(-log(q @ w)) on the simplex, within `OPTIMALITY_GAP`.

    -log of an affine function is convex, so there is one minimum. SLSQP comes near it; its own
    word for success is no proof, so the duality gap is: with g = mean(q / (q @ w)), convexity
    gives loss(w) - loss(best) <= max(g) - 1. What gap is left is closed by expectation
    maximisation (w <- w * g), which stays on the simplex and never raises the loss.

    Source: the dual bound and the EM step for mixture proportions: Lindsay, The Geometry of
    Mixture Likelihoods, Annals of Statistics 11, 1983.
    """
    num_members = q.shape[1]
    start = np.full(num_members, 1 / num_members)
    result = minimize(
        lambda w: -np.log(q @ w).mean(),
        start,
        jac=lambda w: -_pull(q, w),
        method="SLSQP",
        bounds=[(0, 1)] * num_members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    # A member at exactly 0 could not come back by EM, so each keeps a trace of uniform.
    w = 0.999_999 * np.clip(result.x, 0, 1) + 0.000_001 * start
    w /= w.sum()
    for _ in range(MAX_STEPS):
        pull = _pull(q, w)
        if pull.max() - 1 <= OPTIMALITY_GAP:
            return w / w.sum()
        w *= pull
    raise RuntimeError(f"fusion weights are not the best ones after {MAX_STEPS} steps")


def _pull(q: NDArray[np.float64], w: NDArray[np.float64]) -> NDArray[np.float64]:
    """Minus the gradient of the loss, (M,): how much each member wants more weight."""
    return (q / (q @ w)[:, None]).mean(axis=0)
