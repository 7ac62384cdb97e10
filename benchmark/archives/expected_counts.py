"""Check an index against the sizes, ids and class counts that its edition expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.core.errors import ArchiveError, FaultList
from benchmark.editions.edition import Edition, edition_file, listed_ids
from benchmark.editions.splits import SPLITS, Split

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.contracts.clips import Clips


def check_expected(root: Path, clips: Clips, edition: Edition) -> None:
    """Raise unless the archive under `root` has the published sizes and test ids.

    Raises:
        ManyFaults: Every split that differs, and how.
    """
    faults = FaultList()
    for split, counts in (edition.counts or {}).items():
        rows = clips.split(split).with_excluded
        found = (len({clip.video for clip in rows}), len(rows))
        with faults.collected():
            if found != (counts.videos, counts.clips):
                raise ArchiveError(
                    root,
                    f"split {split} is not as published",
                    expected=f"{counts.videos} videos, {counts.clips} clips",
                    found=f"{found[0]} videos, {found[1]} clips",
                    do="Fetch what is missing; if this is a new release, write its numbers into "
                    f"{edition_file(edition.name)} and raise the version there",
                )
    for split in edition.ids or {}:
        with faults.collected():
            _check_ids(root, clips, edition, split)
    faults.raise_any(root)


def _check_ids(root: Path, clips: Clips, edition: Edition, split: Split) -> None:
    wanted = listed_ids(edition, split) or []
    found = [clip.clip_id for clip in clips.split(split).with_excluded]
    # The order counts as well: the leaderboard reads its file row by row.
    if found == wanted:
        return
    differ = sorted({*found} ^ {*wanted})
    what = f"{len(differ)} differ, first {differ[0]}" if differ else "the same, in another order"
    raise ArchiveError(
        root,
        f"clips of {split} are not those that the leaderboard wants",
        expected=f"the {len(wanted)} ids of {(edition.ids or {})[split]}",
        found=f"{len(found)} ids; {what}",
    )


def label_differences(clips: Clips, edition: Edition) -> list[str]:
    """Write one sentence per class whose clips are not as many as published."""
    notes = []
    for split in SPLITS:
        published = (edition.label_counts or {}).get(split)
        if published is None or split in edition.withheld:
            continue
        labels = [clip.label for clip in clips.split(split).with_excluded if clip.label is not None]
        counts = np.bincount(labels, minlength=len(published))
        notes += [
            f"{split}: {found} clips of class {k} ({edition.classes[k]}), published {wanted}"
            for k, (found, wanted) in enumerate(zip(counts.tolist(), published, strict=True))
            if found != wanted
        ]
    return notes
