"""The results table: a row a system and split, scored and compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field

from benchmark.contracts.predictions import Probabilities, read_probabilities
from benchmark.core.errors import MismatchError
from benchmark.core.schema import Strict
from benchmark.editions.edition import Split
from benchmark.evaluation.bootstrap import Interval, interval, paired_interval
from benchmark.evaluation.metrics import Metrics, correctness, majority, score
from benchmark.evaluation.significance import McNemar, holm, mcnemar
from benchmark.plots.figures import Bar
from submission.fusion.rules.equal import Uniform
from submission.fusion.rules.union import FusionRule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.params.params import Params

SIGNIFICANT = 0.05
"""A corrected p-value below this, with an interval without 0, is more than noise."""

Role: TypeAlias = Literal["best single", "uniform"]
"""What the other row of a comparison is: the single stream with the best top-1 of the split, or
the fusion with equal weights that has the most members."""


class Comparison(Strict):
    """One row against another one, on the same clips."""

    role: Role
    name: str
    """The other row's."""
    difference: Annotated[float, Field(ge=-1, le=1)]
    """Top-1 of the row minus that of the other."""
    interval: Interval
    """Of the difference, both scored on the same resampled videos."""
    test: McNemar
    """`first` is the row, `second` the other one."""
    holm: Annotated[float, Field(ge=0, le=1)]
    """The test's p-value, corrected for all comparisons of the split."""

    def verdict(self) -> Literal["better", "worse", "noise"]:
        """Better or worse where both the clip-wise test and the video-wise interval say so."""
        if self.holm >= SIGNIFICANT or not self.interval.excludes_zero():
            return "noise"
        return "better" if self.difference > 0 else "worse"


class ResultRow(Strict):
    """One system on one split."""

    index: Annotated[int, Field(gt=0)]
    """Place in the table, from 1."""
    name: str
    source: str
    """The experiment or fusion that is scored."""
    split: Split
    members: tuple[str, ...]
    """Experiments of a fusion; empty for a single stream."""
    rule: FusionRule | None
    weights: dict[str, float] | None
    """Member -> weight; null for a single stream."""
    metrics: Metrics
    interval: Interval
    """Of top-1."""
    num_videos: Annotated[int, Field(gt=0)]
    majority: Annotated[float, Field(ge=0, le=1)]
    """Top-1 of always answering the largest class of the training split."""
    paper_top1: float | None
    """Top-1 in per cent that the paper reports for this step."""
    seeds: tuple[Annotated[float, Field(ge=0, le=1)], ...]
    """Top-1 of the row and of its repeats with other seeds; empty where there are none."""
    comparisons: tuple[Comparison, ...]
    """With the best single stream and with equal weights, unless the row is that itself."""


@dataclass(frozen=True)
class GroundTruth:
    """What is true of the clips of one labeled split; row i belongs to `clip_id[i]`."""

    edition: str
    split: Split
    clip_id: tuple[str, ...]
    videos: tuple[str, ...]
    label: NDArray[np.int64]
    """Class index, int64 (N,)."""
    train_label: NDArray[np.int64]
    """Class index of each training clip: for the majority baseline only."""

    @classmethod
    def of(cls, clips: Clips, split: Split, labels: NDArray[np.int64] | None = None) -> GroundTruth:
        """The answers to `split`: those of the index, or `labels` where it withholds them.

        `clips` is the whole index; `labels` int64 (N,) is in the order of `clips.split(split)`.

        Raises:
            FormatError: The edition withholds the labels of `split`, and `labels` is not given.
            MismatchError: `labels` are not as many as the clips of the split.
        """
        part = clips.split(split)
        label = part.labels() if labels is None else labels
        if len(label) != len(part):
            raise MismatchError(
                f"answers of {split}",
                "not one label a clip",
                expected=str(len(part)),
                found=str(len(label)),
            )
        train_label = clips.split("train").labels()
        return cls(clips.edition, split, tuple(part.ids), tuple(part.videos), label, train_label)

    def joined(self, found: Probabilities, *, where: str) -> NDArray[np.float32]:
        """Probabilities (N, K) in the order of the answers.

        Raises:
            MismatchError: They are of another edition or split, or of other clips.
        """
        for key in ("edition", "split"):
            has, wanted = getattr(found, key), getattr(self, key)
            if has != wanted:
                raise MismatchError(where, f"another {key}", expected=wanted, found=has)
        return found.aligned(self.clip_id).p


def known_truths(clips: Clips, test: NDArray[np.int64] | None) -> list[GroundTruth]:
    """Those of validation and, where somebody here knows its labels `test`, of test."""
    truths = [GroundTruth.of(clips, "val")]
    if test is not None:
        truths.append(GroundTruth.of(clips, "test", test))
    return truths


def read_source(params: Params, folder: Path, name: str, split: Split) -> Probabilities:
    """Those of an experiment or a fusion; `folder` is that of all probabilities.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    return read_probabilities(folder / params.folder_of(name) / f"{split}.parquet")


@dataclass(frozen=True)
class Entry:
    """One system that asks for a row."""

    name: str
    probabilities: Probabilities
    rule: FusionRule | None = None
    """Null for a single stream."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Member -> weight; empty for a single stream."""
    paper_top1: float | None = None
    """Top-1 in per cent that the paper reports."""
    repeats: Sequence[Probabilities] = ()
    """The same experiment with other seeds."""


@dataclass(frozen=True)
class Resampling:
    """How the intervals are drawn: `resamples` bootstrap samples of videos from `seed`."""

    resamples: int
    seed: int


def score_rows(
    entries: Sequence[Entry], answers: GroundTruth, resampling: Resampling
) -> list[ResultRow]:
    """Rows of one split, in the order of `entries`; probabilities are joined by clip id.

    Raises:
        MismatchError: An entry is of another edition or split, or of other clips.
    """
    p = [answers.joined(entry.probabilities, where=f"row '{entry.name}'") for entry in entries]
    correct = [correctness(each, answers.label) for each in p]
    compared = _comparisons(entries, correct, answers, resampling)
    return [
        ResultRow(
            index=index + 1,
            name=entry.name,
            source=entry.probabilities.source,
            split=answers.split,
            members=tuple(sorted(entry.weights)),
            rule=entry.rule,
            weights=dict(entry.weights) or None,
            metrics=score(p[index], answers.label),
            interval=interval(
                correct[index],
                answers.videos,
                resamples=resampling.resamples,
                seed=resampling.seed,
            ),
            num_videos=len(set(answers.videos)),
            majority=majority(answers.train_label, answers.label),
            paper_top1=entry.paper_top1,
            seeds=_seeds(entry, correct[index], answers),
            comparisons=compared[index],
        )
        for index, entry in enumerate(entries)
    ]


def _references(
    entries: Sequence[Entry], correct: Sequence[NDArray[np.bool_]]
) -> list[tuple[Role, int]]:
    """The rows that others are compared with; of equally good or large ones the first."""
    found: list[tuple[Role, int]] = []
    singles = [index for index, entry in enumerate(entries) if entry.rule is None]
    if singles:
        found.append(("best single", max(singles, key=lambda index: correct[index].sum())))
    even = [index for index, entry in enumerate(entries) if isinstance(entry.rule, Uniform)]
    if even:
        found.append(("uniform", max(even, key=lambda index: len(entries[index].weights))))
    return found


def _comparisons(
    entries: Sequence[Entry],
    correct: Sequence[NDArray[np.bool_]],
    answers: GroundTruth,
    resampling: Resampling,
) -> list[tuple[Comparison, ...]]:
    """Of each row, with p-values corrected for all of them together."""
    references = _references(entries, correct)
    pairs: list[tuple[int, Role, int]] = [
        (index, role, other)
        for index in range(len(entries))
        for role, other in references
        if other != index
    ]
    tests = [mcnemar(correct[index], correct[other]) for index, _, other in pairs]
    corrected = holm([test.p_value for test in tests])
    found: list[list[Comparison]] = [[] for _ in entries]
    for (index, role, other), test, p_value in zip(pairs, tests, corrected, strict=True):
        own, others = correct[index], correct[other]
        bounds = paired_interval(
            own, others, answers.videos, resamples=resampling.resamples, seed=resampling.seed
        )
        difference = (int(own.sum()) - int(others.sum())) / len(own)
        found[index].append(
            Comparison(
                role=role,
                name=entries[other].name,
                difference=difference,
                interval=bounds,
                test=test,
                holm=p_value,
            )
        )
    return [tuple(some) for some in found]


def bars(rows: Sequence[ResultRow]) -> list[Bar]:
    """What `figures.results_figure` draws of each row."""
    return [
        Bar(
            name=f"{row.index:02d} {row.name}",
            top1=row.metrics.top1,
            low=row.interval.low,
            high=row.interval.high,
            fusion=row.rule is not None,
        )
        for row in rows
    ]


def _seeds(entry: Entry, correct: NDArray[np.bool_], answers: GroundTruth) -> tuple[float, ...]:
    """Top-1 of a row and of its repeats."""
    if not entry.repeats:
        return ()
    repeats = [
        correctness(answers.joined(one, where=f"row '{entry.name}'"), answers.label)
        for one in entry.repeats
    ]
    return tuple(float(one.mean()) for one in (correct, *repeats))
