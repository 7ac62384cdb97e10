"""Splits of clips into train, val and test, so that no person or video is in two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.core.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.editions.splits import Split

SPLIT_NAMES: dict[str, Split] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What people call a split, in lower case -> our name."""


class Shares(NamedTuple):
    """Percent of the clips in each split, about: groups stay together."""

    train: int
    val: int
    test: int


def grouped_splits(
    labels: Sequence[str], groups: Sequence[str], shares: Shares, seed: int
) -> list[Split]:
    """Assign a split to each clip: groups stay together, classes are spread as far as they allow.

    Args:
        labels: Class of each clip.
        groups: Person or video of each clip.
        shares: About how much each split gets.
        seed: Of the draw.

    Raises:
        ArchiveError: There are too few groups.
    """
    wanted = [name for name, share in shares._asdict().items() if share]
    count = len({*groups})
    if count < len(wanted):
        raise ArchiveError(
            "splits", f"{count} groups cannot be {', '.join(wanted)}",
            expected=f"at least {len(wanted)}", do="Name a split in each row, or leave one out",
        )  # fmt: skip
    found = np.full(len(labels), "train", object)
    left = np.arange(len(labels))
    total = 100
    for name, share in (("test", shares.test), ("val", shares.val)):
        if share:
            taken = _fold(labels, groups, left, share / total, seed)
            found[taken] = name
            left = np.setdiff1d(left, taken)
            total -= share
    return found.tolist()


def _fold(
    labels: Sequence[str], groups: Sequence[str], rows: np.ndarray, share: float, seed: int
) -> np.ndarray:
    """Choose about `share` of the rows, in whole groups.

    Args:
        labels: Class of every clip.
        groups: Group of every clip.
        rows: Clips to choose from, int64.
        share: In (0, 1).
        seed: Of the draw.
    """
    import warnings

    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    y, g = np.array(labels)[rows], np.array(groups)[rows]
    folds = min(max(2, round(1 / share)), len(np.unique(g)))
    # scikit-learn spreads classes only if one of them has a clip for each fold.
    spread = np.unique(y, return_counts=True)[1].max() >= folds
    kind = StratifiedGroupKFold if spread else GroupKFold
    splitter = kind(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class with fewer clips than folds is spread as far as it goes.
        warnings.filterwarnings("ignore", "The least populated class")
        _, taken = next(splitter.split(rows, y, g))
    return rows[taken]
