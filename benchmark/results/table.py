"""The results table: one row per system and split, scored and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.core.schema import Positive, Share, Strict
from benchmark.editions.edition import groups_of
from benchmark.editions.splits import Scored
from benchmark.evaluation.bootstrap import Interval, interval, paired_interval
from benchmark.evaluation.metrics import correctness
from benchmark.evaluation.scores import Scores, all_scores
from benchmark.evaluation.significance import McNemar, holm, mcnemar
from submission.fusion.rules.equal import Uniform
from submission.fusion.rules.union import FusionRule

if TYPE_CHECKING:
    from benchmark.contracts.labels import Labels
    from benchmark.contracts.predictions import Probabilities
    from benchmark.results.entries import Entry, GroundTruth

SIGNIFICANT = 0.05
"""A corrected p-value below this, with an interval without 0, is significant."""

Role: TypeAlias = Literal["best single", "uniform", "best member"]
"""What the other row of a comparison is: the single stream with the best top-1 of the split, the
uniform fusion that has the most members, or the best of a fusion's own members."""

NOT_COVERED = (
    "A verdict is of these models on other clips. Another seed or processor trains"
    " other models and may turn a verdict: a row with `repeats` shows by how much."
)
"""What a verdict does not cover; every page with verdicts says so."""
Verdict: TypeAlias = Literal["better", "worse", "not significant", "none"]


def verdict(difference: float, interval: Interval | None, p_value: float) -> Verdict:
    """Say better or worse where both the clip-wise test and the video-wise interval do.

    `interval` is that of the difference; `p_value` is corrected for those of its role. Clips of one
    video, which give no interval, give no verdict.
    """
    if interval is None:
        return "none"
    if p_value >= SIGNIFICANT or not interval.excludes_zero():
        return "not significant"
    return "better" if difference > 0 else "worse"


class Comparison(Strict):
    """One row against another one, on the same clips."""

    role: Role
    name: str
    """The other row's."""
    difference: Annotated[float, Field(ge=-1, le=1)]
    """Top-1 of the row minus that of the other."""
    interval: Interval | None
    """Of the difference, both scored on the same resampled videos; null of one video."""
    test: McNemar
    """`first` is the row, `second` the other one."""
    holm: Share
    """The test's p-value, corrected for all comparisons of the split that have this role."""

    @property
    def verdict(self) -> Verdict:
        """Whether the difference is significant."""
        return verdict(self.difference, self.interval, self.holm)


class ResultRow(Strict):
    """One system on one split."""

    index: Positive
    """Place in the table, from 1."""
    name: str
    source: str
    """The experiment or fusion that is scored."""
    split: Scored
    members: tuple[str, ...]
    """Experiments of a fusion; empty for a single stream."""
    rule: FusionRule | None
    weights: dict[str, float] | None
    """Member -> weight; null for a single stream."""
    metrics: Scores
    interval: Interval | None
    """Of top-1; null of one video."""
    num_videos: Positive
    majority_baseline: Share
    """Top-1 of always predicting the largest class of the training split."""
    paper_top1: float | None
    """Top-1 in per cent that the paper reports for this step."""
    seeds: tuple[Share, ...]
    """Top-1 of the row and of its repeats with other seeds; empty where there are none."""
    comparisons: tuple[Comparison, ...]
    """With the best single stream and the uniform fusion, unless the row is that itself; of a
    fusion also with the best of its members that are rows."""

    @property
    def title(self) -> str:
        """Place and name: as pictures, `dvc metrics` and MLflow list the row."""
        return f"{self.index:02d} {self.name}"


@dataclass(frozen=True)
class Resampling:
    """How the intervals are drawn: `resamples` bootstrap samples of videos from `seed`."""

    resamples: int
    seed: int


def score_rows(
    entries: Sequence[Entry], truth: GroundTruth, resampling: Resampling
) -> list[ResultRow]:
    """Score the rows of one split, in the order of `entries`; clip ids join the probabilities.

    Raises:
        MismatchError: An entry is of another edition or split, or of other clips.
    """
    groups = groups_of(truth.edition)
    p = [truth.joined(entry.probabilities, where=f"row '{entry.name}'") for entry in entries]
    correct = [correctness(each, truth.label) for each in p]
    compared = _comparisons(entries, correct, truth.videos, resampling)
    return [
        ResultRow(
            index=entry.index,
            name=entry.name,
            source=entry.probabilities.source,
            split=truth.split,
            members=tuple(sorted(entry.weights)),
            rule=entry.rule,
            weights=dict(entry.weights) or None,
            metrics=all_scores(p[index], truth.label, groups),
            # One seed for all rows: every interval is drawn from the same resampled videos.
            interval=interval(correct[index], truth.videos, **vars(resampling)),
            num_videos=len(set(truth.videos)),
            majority_baseline=truth.majority_baseline,
            paper_top1=entry.paper_top1,
            seeds=_seeds(entry, correct[index], truth),
            comparisons=compared[index],
        )
        for index, entry in enumerate(entries)
    ]


def _references(
    entries: Sequence[Entry], correct: Sequence[NDArray[np.bool_]]
) -> list[tuple[Role, int]]:
    """Find the rows that others are compared with; of equally good or large ones the first."""
    # `max` keeps the first of equals, so the order of the rows in params.yaml decides.
    references: list[tuple[Role, int]] = []
    singles = [index for index, entry in enumerate(entries) if entry.rule is None]
    if singles:
        references.append(("best single", max(singles, key=lambda index: correct[index].sum())))
    even = [index for index, entry in enumerate(entries) if isinstance(entry.rule, Uniform)]
    if even:
        references.append(("uniform", max(even, key=lambda index: len(entries[index].weights))))
    return references


def _best_member(
    entries: Sequence[Entry], correct: Sequence[NDArray[np.bool_]], row: int
) -> list[tuple[Role, int]]:
    """Find the best single stream among the members of a fusion; nothing where none is a row.

    The best single stream of the table need not be one of them: only against its own members does
    a row show what fusing gains.
    """
    places = {
        entry.probabilities.source: index
        for index, entry in enumerate(entries) if entry.rule is None
    }  # fmt: skip
    members = [places[name] for name in sorted(entries[row].weights) if name in places]
    if not members:
        return []
    return [("best member", max(members, key=lambda index: correct[index].sum()))]


def _corrected(roles: Sequence[Role], p_values: Sequence[float]) -> list[float]:
    """Correct p-values by Holm's method, those of one role together.

    A role is one question, such as what fusing gains; it is not corrected for those of others.
    """
    corrected = [0.0] * len(roles)
    for role in get_args(Role):
        places = [place for place, its in enumerate(roles) if its == role]
        family = holm([p_values[place] for place in places])
        for place, p_value in zip(places, family, strict=True):
            corrected[place] = p_value
    return corrected


def _comparisons(
    entries: Sequence[Entry],
    correct: Sequence[NDArray[np.bool_]],
    videos: Sequence[str],
    resampling: Resampling,
) -> list[tuple[Comparison, ...]]:
    references = _references(entries, correct)
    pairs: list[tuple[int, Role, int]] = [
        (row, role, other)
        for row in range(len(entries))
        for role, other in (*references, *_best_member(entries, correct, row))
        if other != row
    ]
    tests = [mcnemar(correct[row], correct[other]) for row, _, other in pairs]
    corrected = _corrected([role for _, role, _ in pairs], [test.p_value for test in tests])
    compared: list[list[Comparison]] = [[] for _ in entries]
    for (row, role, other), test, p_value in zip(pairs, tests, corrected, strict=True):
        first, second = correct[row], correct[other]
        compared[row].append(
            Comparison(
                role=role,
                name=entries[other].name,
                # Counts first: a difference of two means could miss 0 by a rounding error.
                difference=(int(first.sum()) - int(second.sum())) / len(first),
                interval=paired_interval(first, second, videos, **vars(resampling)),
                test=test,
                holm=p_value,
            )
        )
    return [tuple(comparisons) for comparisons in compared]


def _seeds(entry: Entry, correct: NDArray[np.bool_], truth: GroundTruth) -> tuple[float, ...]:
    if not entry.repeats:
        return ()
    joined = (truth.joined(repeat, where=f"row '{entry.name}'") for repeat in entry.repeats)
    repeats = (correctness(p, truth.label) for p in joined)
    return tuple(float(each.mean()) for each in (correct, *repeats))


class Paired(NamedTuple):
    """Top-1 of two systems, and their difference."""

    first: float
    second: float
    difference: float
    """Top-1 of the first minus that of the second, in [-1, 1]."""
    interval: Interval | None
    """Of the difference, over resampled videos; None of one video."""
    test: McNemar
    verdict: Verdict
    differ: list[tuple[str, str, str, str]]
    """Clips that get two answers: clip, label, first answer, second answer."""


def paired(
    first: Probabilities, second: Probabilities, truth: Labels, *, resamples: int, seed: int
) -> Paired:
    """Compare two systems, joined by clip id.

    Args:
        first: Probabilities of one system.
        second: Those of the other one.
        truth: The labels of their clips.
        resamples: Bootstrap samples of videos.
        seed: Of their draw.

    Raises:
        MismatchError: They are of another edition or split than the labels, or of other clips.
    """
    p = [truth.joined(each, where=f"'{each.source}'") for each in (first, second)]
    right = [correctness(each, truth.label) for each in p]
    span = paired_interval(right[0], right[1], truth.videos, resamples=resamples, seed=seed)
    test = mcnemar(right[0], right[1])
    gain = (int(right[0].sum()) - int(right[1].sum())) / len(truth.label)
    answers = np.stack([truth.label, *(each.argmax(1) for each in p)], 1)
    named = [tuple(first.classes[k] for k in row) for row in answers]
    differ = [
        (clip, *names) for clip, names in zip(truth.clip_id, named, strict=True)
        if names[1] != names[2]
    ]  # fmt: skip
    top1 = [float(each.mean()) for each in right]
    return Paired(top1[0], top1[1], gain, span, test, verdict(gain, span, test.p_value), differ)
