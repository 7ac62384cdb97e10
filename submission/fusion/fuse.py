"""Fuse the probabilities of several members, joined by clip id.

Legend: M members, N clips, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.predictions import Probabilities
from benchmark.core.errors import FormatError, MismatchError
from submission.fusion.blend import Blend
from submission.fusion.rules.rule import uniform_weights

if TYPE_CHECKING:
    from submission.fusion.fitted import FittedFusion


def fuse(
    members: Sequence[Probabilities], weights: Mapping[str, float], *, source: str
) -> Probabilities:
    """Average the members by weights, joined by clip id, in the order of the first member.

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
    """Apply `blend` to the members, which it takes in the order of their names.

    Raises:
        MismatchError: Two members disagree about edition, split, classes or clips.
    """
    check_members(members)
    first = members[0]
    _, p = stacked(members, first.clip_id)
    fused = blend(p).astype(np.float32)
    return Probabilities(
        first.edition, first.split, source, first.classes, first.clip_id, fused,
        transductive=any(member.transductive for member in members),
    )  # fmt: skip


def mean_of_networks(
    networks: Sequence[Probabilities], mean: Literal["arithmetic", "geometric"], *, source: str
) -> Probabilities:
    """Average the networks of one stream, such as those of its folds, with equal weights.

    Raises:
        MismatchError: Two of them disagree about edition, split, classes or clips.
    """
    # They may all have the name of their stream; members of a blend need one each.
    members = [replace(one, source=str(place)) for place, one in enumerate(networks)]
    blend = Blend(uniform_weights(len(members)), geometric=mean == "geometric")
    return blended(members, blend, source=source)


def apply(fitted: FittedFusion, members: Sequence[Probabilities], *, source: str) -> Probabilities:
    """Apply a fitted fusion to the same members on any split.

    Raises:
        MismatchError: They are not the members of the fit, are of another edition or of another
            number of classes, or disagree with each other.
    """
    names = sorted(member.source for member in members)
    if names != sorted(fitted.weights):
        wrong, wanted = "not the members that it was fitted for", ", ".join(sorted(fitted.weights))
        raise MismatchError("fusion", wrong, expected=wanted, found=", ".join(names))
    if (edition := members[0].edition) != fitted.edition:
        wrong = "the members are of another edition than it was fitted on"
        raise MismatchError("fusion", wrong, expected=fitted.edition, found=edition)
    if (found := len(members[0].classes)) != fitted.num_classes:
        # Scores of other programs are all of one edition, which says nothing of their classes.
        wrong = "the members have another number of classes"
        raise MismatchError("fusion", wrong, expected=str(fitted.num_classes), found=str(found))
    return blended(members, fitted.blend(), source=source)


def stacked(
    members: Sequence[Probabilities], ids: Sequence[str]
) -> tuple[list[str], NDArray[np.float64]]:
    """Stack the members, sorted by name, on the clips `ids`: their names and p (M, N, K)."""
    # Floating-point sums depend on the order of their terms: by name it is always the same.
    ordered = sorted(members, key=lambda member: member.source)
    p = np.stack([member.aligned(ids).p.astype(np.float64) for member in ordered])
    return [member.source for member in ordered], p


def check_members(members: Sequence[Probabilities]) -> None:
    """Raise `MismatchError` unless the members can be joined.

    The message names two members and the first thing in which they differ.
    """
    if not members:
        raise MismatchError("fusion", "no members", expected="at least one")
    first, *others = members
    seen = {first.source}
    for other in others:
        if other.source in seen:
            raise MismatchError("fusion", f"member {other.source} comes twice")
        seen.add(other.source)
        _check_pair(first, other)


def _check_pair(first: Probabilities, other: Probabilities) -> None:
    where = f"fusion of {first.source} and {other.source}"
    for key in ("edition", "split"):
        expected, found = getattr(first, key), getattr(other, key)
        if expected != found:
            raise MismatchError(where, f"they differ in {key}", expected=expected, found=found)
    if first.classes != other.classes:
        raise MismatchError(where, f"they differ in classes: {_first_class(first, other)}")
    have, want = set(other.clip_id), set(first.clip_id)
    if have != want:
        clip = min(have ^ want)
        owner = other.source if clip in have else first.source
        raise MismatchError(
            where, f"they differ in {len(have ^ want)} clip(s)",
            expected=f"the {len(want)} clips of {first.source}",
            found=f"{len(have)} clips; the first that differs, {clip}, is only in {owner}",
        )  # fmt: skip


def _first_class(first: Probabilities, other: Probabilities) -> str:
    if len(first.classes) != len(other.classes):
        return f"{len(first.classes)} and {len(other.classes)} of them"
    pairs = enumerate(zip(first.classes, other.classes, strict=True))
    index, names = next(item for item in pairs if item[1][0] != item[1][1])
    return f"class {index} is '{names[0]}' and '{names[1]}'"


def _scaled(weights: Mapping[str, float], names: Sequence[str]) -> NDArray[np.float64]:
    """Put the weights in the order of `names`, (M,), scaled so that the largest is 1."""
    if set(weights) != set(names):
        wanted, given = (", ".join(sorted(each)) for each in (names, weights))
        raise FormatError("fusion weights", "not the members'", expected=wanted, found=given)
    w = np.array([weights[name] for name in names], np.float64)
    if not np.isfinite(w).all() or (w < 0).any() or not w.any():
        found = ", ".join(f"{name} {weights[name]:g}" for name in names)
        wanted = "all >= 0, not all 0"
        raise FormatError("fusion weights", "no weights", expected=wanted, found=found)
    # Only ratios matter to `fuse`; with the largest at 1, no scale overflows or underflows there.
    return w / w.max()
