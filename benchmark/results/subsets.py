"""Every subset of experiments, fused with equal weights: scores, file and section of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.contracts.predictions import read_probabilities
from benchmark.core.errors import MismatchError
from benchmark.core.files import csv_text
from benchmark.evaluation.diversity import subset_counts
from submission.fusion.fuse import check_members

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmark.contracts.predictions import Probabilities
    from benchmark.results.ground_truth import GroundTruth

BEST = 10
"""Subsets that the page shows."""


class SubsetScore(NamedTuple):
    """One subset."""

    members: tuple[str, ...]
    top1: dict[str, float]
    """Split -> share of correct predictions."""


def read_subsets(
    names: Sequence[str], folder: Path, truths: Sequence[GroundTruth]
) -> list[SubsetScore]:
    """Score all subsets of the experiments `names`, whose probabilities lie below `folder`.

    The order is that of `score_subsets`. No names, no subsets.

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
    return score_subsets(members, truths)


def score_subsets(
    members: Mapping[str, Sequence[Probabilities]], truths: Sequence[GroundTruth]
) -> list[SubsetScore]:
    """Score all subsets of the same experiments on each split of `truths`.

    The best on the first split comes first, of equal ones the smaller. `members` maps each split
    to the experiments' probabilities.

    Raises:
        MismatchError: Two experiments cannot be joined, or are not the same in each split.
        FormatError: There are too many.
    """
    stacks = []
    names: list[str] = []
    for truth in truths:
        # By name, as `fuse` adds them: the sums then round alike, and so do ties between classes.
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
        SubsetScore(members_of(subset, names), _top1(correct.tolist(), truths))
        for subset, correct in enumerate(counts)
        if subset  # 0 is the subset without members
    ]
    first = truths[0].split
    return sorted(rows, key=lambda row: (-row.top1[first], len(row.members), row.members))


def _top1(correct: Sequence[int], truths: Sequence[GroundTruth]) -> dict[str, float]:
    return {
        truth.split: count / len(truth.label) for truth, count in zip(truths, correct, strict=True)
    }


def members_of(subset: int, names: Sequence[str]) -> tuple[str, ...]:
    """Name the members of a subset: bit m says whether `names[m]` is in it."""
    return tuple(name for member, name in enumerate(names) if subset >> member & 1)


def subsets_csv(rows: Sequence[SubsetScore]) -> str:
    """Format subsets.csv: rank, members joined by plus, their number, top-1 of each split."""
    splits = list(rows[0].top1) if rows else []
    return csv_text(
        ["rank", "members", "number", *(f"{split}_top1" for split in splits)],
        [
            [rank, "+".join(row.members), len(row.members)]
            + [f"{row.top1[split]:.6f}" for split in splits]
            for rank, row in enumerate(rows, 1)
        ],
    )


def subsets_section(rows: Sequence[SubsetScore]) -> list[str]:
    """Write the best subsets on the first split as lines of Markdown."""
    splits = list(rows[0].top1)
    lines = [
        "## Subsets",
        "",
        f"All {len(rows)} subsets with equal weights are in `reports/table/subsets.csv`; these are"
        f" the {BEST} best on {splits[0]}.",
        "The best of so many is the luckiest as well: choosing by this list flatters its choice.",
        "",
        "| # | members |" + "".join(f" {split} top-1 % |" for split in splits),
        "|--:|---|" + "--:|" * len(splits),
    ]
    for rank, row in enumerate(rows[:BEST], 1):
        scores = "".join(f" {100 * row.top1[split]:.2f} |" for split in splits)
        lines.append(f"| {rank} | {' + '.join(row.members)} |{scores}")
    return lines
