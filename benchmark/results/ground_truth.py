"""The labels of one split, with the baseline that every system must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmark.contracts.folds import oof_labels
from benchmark.contracts.labels import Labels
from benchmark.core.errors import MismatchError
from benchmark.editions.splits import OOF, Groups, Scored, Split
from benchmark.evaluation.metrics import majority_baseline

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips


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

    @classmethod
    def out_of_fold(cls, clips: Clips, over: Sequence[str], groups: Groups) -> GroundTruth:
        """Take the labels of all clips of the splits `over`; the `videos` are the groups.

        Raises:
            FormatError: The edition withholds a label, or names no subject of a clip.
        """
        truth = oof_labels(clips, over, groups)
        return cls(
            truth.edition, OOF, truth.clip_id, truth.videos, truth.label, train_label=truth.label
        )

    @property
    def majority_baseline(self) -> float:
        """Top-1 of always predicting the largest class of the training split, in [0, 1]."""
        return majority_baseline(self.train_label, self.label)
