"""The best set of streams on scores out of fold: which, how sure, and what each member adds.

Sets are fused with equal weights: nothing is fitted while sets are compared. Choosing among sets
flatters its choice, so the whole choice is repeated without each block of videos or persons, and
scored on that block.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.folds import oof_labels
from benchmark.contracts.predictions import Probabilities, read_probabilities
from benchmark.core.errors import MismatchError
from benchmark.editions.splits import OOF
from benchmark.evaluation.bootstrap import Interval, interval, paired_interval, resampled_means
from benchmark.evaluation.diversity import FEWEST_MEMBERS
from benchmark.evaluation.metrics import PROBABILITY_FLOOR
from benchmark.results.table import Resampling
from submission.fusion.fit import blocks_of, fit_with_nested
from submission.fusion.fuse import check_members, stacked
from submission.fusion.rules.convex import Convex
from submission.fusion.rules.equal import Geometric, Uniform
from submission.fusion.rules.rule import TIE

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.contracts.labels import Labels
    from benchmark.params.params import Params
    from submission.fusion.rules.union import FusionRule

RULES: tuple[FusionRule, ...] = (
    Uniform(kind="uniform"), Geometric(kind="geometric"), Convex(kind="convex", shrinkage=0.5),
)  # fmt: skip
"""Compared on the best set; the first stays unless another is better beyond the noise of clips."""
PATIENCE = 2
"""Additions without a gain after which a set grows no more."""
Members = tuple[int, ...]


class Choice(NamedTuple):
    """A set of streams, fused with equal weights."""

    members: tuple[str, ...]
    top1: float
    interval: Interval | None
    log_loss: float


class Addition(NamedTuple):
    """What the best set loses without one of its members, in points of top-1."""

    member: str
    top1: float
    interval: Interval | None


class RuleScore(NamedTuple):
    """A rule on the best set, every clip fused by a fit on other videos or persons."""

    rule: FusionRule
    top1: float
    log_loss: float
    difference: Interval | None
    """Of top-1 to equal weights."""


class Best(NamedTuple):
    """What scores out of fold say about a set of streams."""

    clips: int
    groups: int
    singles: list[Choice]
    pair: Choice
    """The best of all pairs."""
    grown: list[Choice]
    """The best of singles and pairs, and what adding the best member each time makes of it."""
    best: Choice
    simplest: Choice
    """The smallest set whose difference from the best is within the noise of clips."""
    nested: float
    """Top-1 of the whole choice, made without each block and scored on it."""
    nested_interval: Interval | None
    same: tuple[int, int]
    """In how many blocks, of all, the choice without the block is the same set."""
    wins: float
    """Share of resampled videos or persons in which no other candidate is better than the best."""
    additions: list[Addition]
    rules: list[RuleScore]
    rule: FusionRule


class _Sets:
    """Scores of sets by clip, each computed once."""

    def __init__(
        self, names: Sequence[str], p: NDArray[np.float64], truth: Labels, draw: Resampling
    ) -> None:
        self._names, self._p, self._label = names, p, truth.label
        self._groups, self._draw = truth.videos, draw
        self._scores: dict[Members, tuple[NDArray[np.bool_], NDArray[np.float32]]] = {}
        self.size = len(p)

    def correct(self, members: Members) -> NDArray[np.bool_]:
        """Tell for each clip whether the set answers it correctly, bool (N,)."""
        return self._scored(members)[0]

    def nats(self, members: Members) -> NDArray[np.float32]:
        """Return the log-loss of each clip, (N,)."""
        return self._scored(members)[1]

    def _scored(self, members: Members) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        if members not in self._scores:
            fused = self._p[list(members)].mean(axis=0)
            of_label = fused[np.arange(len(fused)), self._label]
            nats = -np.log(np.maximum(of_label, PROBABILITY_FLOOR)).astype(np.float32)
            self._scores[members] = fused.argmax(axis=1) == self._label, nats
        return self._scores[members]

    def worth(self, members: Members) -> NDArray[np.floating]:
        """Return what each clip adds to what is maximized: top-1, and between equals log-loss."""
        return self.correct(members) - TIE * self.nats(members)

    def choice(self, members: Members) -> Choice:
        """Describe a set."""
        correct = self.correct(members)
        span = interval(correct, self._groups, **vars(self._draw))
        names = tuple(self._names[k] for k in members)
        return Choice(names, float(correct.mean()), span, float(self.nats(members).mean()))

    def above(self, members: Members, others: Members) -> Interval | None:
        """Return the interval of what a set has in top-1 above another one."""
        right = self.correct(members), self.correct(others)
        return paired_interval(*right, self._groups, **vars(self._draw))

    def additions(self, members: Members) -> list[Addition]:
        """Say what each member of a set adds to the others."""
        rest = {k: tuple(one for one in members if one != k) for k in members if len(members) > 1}
        right = self.correct(members).mean()
        return [
            Addition(
                self._names[k], float(right - self.correct(left).mean()), self.above(members, left)
            )
            for k, left in rest.items()
        ]

    def wins(self, members: Members, candidates: Iterable[Members]) -> float:
        """Return the share of resamples in which none of the candidates is better than a set."""
        worths = np.stack([self.worth(key) for key in (members, *candidates)])
        worth = resampled_means(worths, self._groups, **vars(self._draw))
        return float((worth[:, 0] >= worth.max(axis=1)).mean())

    def nested(self, block: NDArray[np.int64]) -> tuple[NDArray[np.bool_], list[Members]]:
        """Choose without each block: whether its clips are then answered correctly; the choices."""
        answered, chosen = np.zeros(len(block), np.bool_), []
        for number in range(block.max() + 1):
            rows = block == number
            chosen.append(self.grow(~rows)[-1])
            answered[rows] = self.correct(chosen[-1])[rows]
        return answered, chosen

    def grow(self, rows: NDArray[np.bool_]) -> list[Members]:
        """Grow a set on some clips: from the best of all singles and pairs, up to its best.

        Source: greedy forward selection (Caruana et al., ICML 2004), without repetition.
        """

        def value(members: Members) -> float:
            return float(self.worth(members)[rows].mean())

        streams = range(self.size)
        starts = [*combinations(streams, 1), *combinations(streams, FEWEST_MEMBERS)]
        path = [max(starts, key=value)]
        best = 0
        # A third stream can decide where two contradict each other: one step without a gain is
        # no reason to stop.
        while len(path[-1]) < self.size and len(path) - 1 - best < PATIENCE:
            others = [k for k in streams if k not in path[-1]]
            path.append(max((tuple(sorted((*path[-1], k))) for k in others), key=value))
            if value(path[-1]) > value(path[best]):
                best = len(path) - 1
        return path[: best + 1]


def read_best(params: Params, clips: Clips, folder: Path) -> Best | None:
    """Find the best set of the streams of an edition; None where fewer than two are folded.

    `clips` is the index of the edition, `folder` that of all probabilities.

    Raises:
        FormatError: A file is missing or breaks its schema.
        MismatchError: Two streams cannot be joined.
    """
    folds = params.folds.get(clips.edition)
    if folds is None or len(folds.experiments) < FEWEST_MEMBERS:
        return None
    files = [folder / OOF / name / "oof.parquet" for name in folds.experiments]
    truth = oof_labels(clips, folds.over, folds.groups)
    draw = Resampling(params.table.resamples, params.seed)
    return find_best([read_probabilities(file) for file in files], truth, draw)


def find_best(members: Sequence[Probabilities], truth: Labels, draw: Resampling) -> Best:
    """Find the best set of streams by their probabilities out of fold.

    The `videos` of `truth` are the groups of the folds.

    Raises:
        MismatchError: Two streams cannot be joined, or are of other clips or folds.
    """
    check_members(members)
    for member in members:
        truth.joined(member, where=member.source)
        if member.stamp != members[0].stamp:
            raise MismatchError(
                f"{members[0].source} and {member.source}", "their scores are of different folds",
                do="Run 'dvc repro join_folds'",
            )  # fmt: skip
    names, p = stacked(members, truth.clip_id)
    sets = _Sets(names, p, truth, draw)
    path = sets.grow(np.ones(len(truth.label), np.bool_))
    singles = sorted(combinations(range(len(names)), 1), key=lambda k: -sets.worth(k).mean())
    pair = max(combinations(range(len(names)), 2), key=lambda k: float(sets.worth(k).mean()))
    best, candidates = path[-1], [*dict.fromkeys([*singles, pair, *path])]
    answered, without = sets.nested(blocks_of(truth.videos))
    chosen = sets.choice(best)
    rules = _rules([one for one in members if one.source in chosen.members], truth, draw)
    better = [one for one in rules[1:] if one.difference and one.difference.low > 0]
    simplest = min(
        (key for key in candidates if (found := sets.above(best, key)) is None or found.low <= 0),
        key=lambda key: (len(key), -sets.worth(key).mean()),
    )
    return Best(
        clips=len(truth.label), groups=len({*truth.videos}),
        singles=[sets.choice(key) for key in singles], pair=sets.choice(pair),
        grown=[sets.choice(key) for key in path], best=chosen, simplest=sets.choice(simplest),
        nested=float(answered.mean()),
        nested_interval=interval(answered, truth.videos, **vars(draw)),
        same=(without.count(best), len(without)),
        wins=sets.wins(best, candidates), additions=sets.additions(best),
        rules=rules, rule=max(better, key=lambda one: one.top1).rule if better else RULES[0],
    )  # fmt: skip


def _rules(members: Sequence[Probabilities], truth: Labels, draw: Resampling) -> list[RuleScore]:
    if len(members) < FEWEST_MEMBERS:
        return []
    found: list[RuleScore] = []
    answers: list[NDArray[np.bool_]] = []
    for rule in RULES:
        fitted, nested = fit_with_nested(rule, "none", members, truth)
        if nested is None or fitted.nested is None:
            return []
        answers.append(nested.aligned(truth.clip_id).p.argmax(axis=1) == truth.label)
        span = paired_interval(answers[-1], answers[0], truth.videos, **vars(draw))
        found.append(RuleScore(rule, fitted.nested.top1, fitted.nested.log_loss, span))
    return found
