"""The systems that params.yaml asks rows for, and the labels of the splits that score them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.contracts.folds import oof_labels
from benchmark.contracts.labels import Labels
from benchmark.contracts.predictions import Probabilities, read_probabilities
from benchmark.core.errors import MismatchError
from benchmark.editions.splits import OOF, Scored, Split
from benchmark.evaluation.metrics import majority_baseline
from submission.fusion.fitted import read_fitted
from submission.fusion.fuse import fuse
from submission.fusion.rules.equal import Uniform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.params.params import Params, TableRow
    from submission.fusion.rules.union import FusionRule


@dataclass(frozen=True)
class GroundTruth(Labels):
    """Labels of a split, and what a guess from the training split is worth there."""

    split: Scored
    train_label: NDArray[np.int64]
    """Class index of each training clip: for the majority baseline only."""

    @classmethod
    def of(cls, clips: Clips, split: Split, labels: NDArray[np.int64] | None = None) -> GroundTruth:
        """Take the labels of `split` from the index, or `labels` where the index withholds them.

        `clips` is the whole index; `labels` int64 (N,) is in the order of `clips.split(split)`.

        Raises:
            FormatError: The edition withholds the labels of `split`, and `labels` is not given.
            MismatchError: `labels` are not as many as the clips of the split.
        """
        part = clips.split(split)
        label = part.labels() if labels is None else labels
        if len(label) != len(part):
            where, wanted, found = f"labels of {split}", str(len(part)), str(len(label))
            raise MismatchError(where, "not one label per clip", expected=wanted, found=found)
        train_label = clips.split("train").labels()
        return cls(clips.edition, split, tuple(part.ids), tuple(part.videos), label, train_label)

    @property
    def majority_baseline(self) -> float:
        """Top-1 of always predicting the largest class of the training split, in [0, 1]."""
        return majority_baseline(self.train_label, self.label)


@dataclass(frozen=True)
class Entry:
    """One system that asks for a row."""

    index: int
    """Place in the table, from 1."""
    name: str
    probabilities: Probabilities
    rule: FusionRule | None = None
    """None for a single stream."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Member -> weight; empty for a single stream."""
    paper_top1: float | None = None
    """Top-1 in per cent that the paper reports."""
    repeats: Sequence[Probabilities] = ()
    """The same experiment with other seeds."""


@dataclass(frozen=True)
class Scoring:
    """What rows are scored by: the streams of params.yaml, clips of one edition, their labels."""

    params: Params
    clips: Clips
    """The whole index."""
    probabilities: Path
    """Folder of all of them."""
    test: NDArray[np.int64] | None
    """The labels of test; None where they are not known."""

    def truths(self, scores: Collection[str]) -> list[GroundTruth]:
        """Return the labels of all that is scored: by `val`, `oof` or both, and of test."""
        truths = [GroundTruth.of(self.clips, "val")] if "val" in scores else []
        if OOF in scores:
            folds = self.params.folds[self.clips.edition]
            oof = oof_labels(self.clips, folds.over, folds.groups)
            truths.append(GroundTruth(**vars(oof), train_label=oof.label))
        known = [] if self.test is None else [GroundTruth.of(self.clips, "test", self.test)]
        return [*truths, *known]

    def streams(self, scores: str) -> Path:
        """Return the folder of the streams that are scored out of fold, or not."""
        return self.probabilities / (OOF if scores == OOF else "experiments")

    def read(self, name: str, split: Scored, scores: str) -> Probabilities:
        """Read the probabilities of an experiment or fusion on a split.

        With `scores` of `oof`, those of an experiment on test are its mean over folds.

        Raises:
            FormatError: The file is missing or breaks its schema.
        """
        folder = self.streams(scores) / name
        if name in self.params.every_fusion:
            folder = self.probabilities / self.params.folder_of(name)
        return read_probabilities(folder / f"{split}.parquet")


def read_entries(scoring: Scoring, split: Scored) -> list[Entry]:
    """Read one entry per row of the table that is scored on a split, in order.

    Raises:
        FormatError: A file is missing or breaks its schema.
        MismatchError: The members of a row disagree.
    """
    params = scoring.params

    def entry(index: int, row: TableRow) -> Entry:
        def read(*names: str) -> list[Probabilities]:
            return [scoring.read(name, split, row.scores) for name in names]

        if row.members is not None:
            even = dict.fromkeys(row.members, 1 / len(row.members))
            fused = fuse(read(*row.members), even, source="+".join(row.members))
            return Entry(index, row.name, fused, Uniform(kind="uniform"), even, row.paper_top1)
        assert row.source is not None, "TableRow has either members or a source"
        source, *repeats = read(row.source, *row.repeats)
        if (fusion := params.every_fusion.get(row.source)) is None:
            return Entry(index, row.name, source, paper_top1=row.paper_top1, repeats=repeats)
        # Stage fuse has already applied the weights to the probabilities: they are only shown.
        file = scoring.probabilities / params.folder_of(row.source) / "weights.json"
        weights = read_fitted(file).weights
        return Entry(index, row.name, source, fusion.rule, weights, row.paper_top1)

    rows = enumerate(params.table.rows, start=1)
    return [entry(index, row) for index, row in rows if split in {row.scores, "test"}]
