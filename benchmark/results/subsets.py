"""Every subset of experiments, fused with equal weights and scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.contracts.predictions import read_probabilities
from benchmark.core.errors import MismatchError
from benchmark.results.subset_scores import SubsetScore, names_of, subset_counts
from submission.fusion.fuse import check_members

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmark.contracts.predictions import Probabilities
    from benchmark.results.table import GroundTruth


def sweep(names: Sequence[str], folder: Path, truths: Sequence[GroundTruth]) -> list[SubsetScore]:
    """All subsets of the experiments `names`, whose probabilities lie below `folder`.

    The best on the first split comes first, of equal ones the smaller. No names, no subsets.

    Raises:
        FormatError: A file is missing or breaks its schema, or there are too many experiments.
        MismatchError: Two experiments cannot be joined.
    """
    if not names:
        return []
    members = {
        truth.split: [
            read_probabilities(folder / name / f"{truth.split}.parquet") for name in names
        ]
        for truth in truths
    }
    return sweep_of(members, truths)


def sweep_of(
    members: Mapping[str, Sequence[Probabilities]], truths: Sequence[GroundTruth]
) -> list[SubsetScore]:
    """The same of probabilities that are read.

    `members` maps each split of `truths` to the same experiments' probabilities.

    Raises:
        MismatchError: Two experiments cannot be joined, or are not the same in each split.
        FormatError: There are too many.
    """
    stacks = []
    names: list[str] = []
    for truth in truths:
        ordered = sorted(members[truth.split], key=lambda member: member.source)
        check_members(ordered)
        found = [member.source for member in ordered]
        if names and found != names:
            raise MismatchError(
                f"subsets on {truth.split}", "other members", expected=", ".join(names),
                found=", ".join(found),
            )  # fmt: skip
        names = found
        stacks.append([member.aligned(truth.clip_id).p.astype(np.float64) for member in ordered])
    p = np.concatenate([np.stack(stack) for stack in stacks], axis=1)
    counts = subset_counts(p, [truth.label for truth in truths])
    rows = [
        SubsetScore(
            names_of(subset, names),
            {
                truth.split: int(n) / len(truth.label)
                for truth, n in zip(truths, right, strict=True)
            },
        )
        for subset, right in enumerate(counts)
        if subset
    ]
    first = truths[0].split
    return sorted(rows, key=lambda row: (-row.top1[first], len(row.members), row.members))
