"""Every subset of experiments, fused uniformly: scores, file and section of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.contracts.predictions import Probabilities, read_probabilities
from benchmark.core.errors import MismatchError
from benchmark.core.files import csv_text
from benchmark.evaluation.diversity import subset_counts
from submission.fusion.fuse import check_members, stacked

if TYPE_CHECKING:
    from benchmark.results.entries import GroundTruth, Scoring

BEST = 10
"""Subsets that the page shows."""


class SubsetScore(NamedTuple):
    """One subset."""

    members: tuple[str, ...]
    top1: dict[str, float]
    """Split -> share of correct predictions."""


def table_subsets(scoring: Scoring) -> list[SubsetScore]:
    """Score the subsets that the table asks for, on validation or out of fold, and on test.

    Raises:
        FormatError: A file is missing or breaks its schema, or there are too many experiments.
        MismatchError: Two experiments cannot be joined.
    """
    names, scores = scoring.params.table.subsets, scoring.params.table.subset_scores
    if not names:
        return []
    truths, folder = scoring.truths({scores}), scoring.streams(scores)
    members = {
        split: [read_probabilities(folder / name / f"{split}.parquet") for name in names]
        for split in (truth.split for truth in truths)
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
        check_members(members[truth.split])
        # By name, as `fuse` adds them: the sums then round alike, and so do ties between classes.
        here, p = stacked(members[truth.split], truth.clip_id)
        if names and here != names:
            where, wanted = f"subsets on {truth.split}", ", ".join(names)
            raise MismatchError(where, "other members", expected=wanted, found=", ".join(here))
        names = here
        stacks.append(p)
    counts = subset_counts(np.concatenate(stacks, axis=1), [truth.label for truth in truths])
    splits, sizes = [truth.split for truth in truths], [len(truth.label) for truth in truths]
    rows = [
        SubsetScore(members_of(subset, names), dict(zip(splits, top1.tolist(), strict=True)))
        for subset, top1 in enumerate(counts / sizes) if subset  # 0 has no members
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (-row.top1[splits[0]], len(row.members), row.members))


def members_of(subset: int, names: Sequence[str]) -> tuple[str, ...]:
    """Name the members of a subset: bit m says whether `names[m]` is in it."""
    return tuple(name for member, name in enumerate(names) if subset >> member & 1)


def subsets_csv(rows: Sequence[SubsetScore]) -> str:
    """Format subsets.csv: rank, members joined by plus, their number, top-1 of each split."""
    splits = list(rows[0].top1) if rows else []
    lines = [
        [rank, "+".join(row.members), len(row.members), *(f"{row.top1[s]:.6f}" for s in splits)]
        for rank, row in enumerate(rows, 1)
    ]
    return csv_text(["rank", "members", "number", *(f"{split}_top1" for split in splits)], lines)


def subsets_section(rows: Sequence[SubsetScore]) -> list[str]:
    """Write the best subsets on the first split as lines of Markdown."""
    splits = list(rows[0].top1)
    lines = [
        "## Subsets",
        "",
        f"All {len(rows)} uniform fusions of subsets are in `reports/table/subsets.csv`; these are"
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
