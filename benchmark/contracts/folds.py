"""Folds: labeled clips dealt into K parts, so that each is predicted by networks of the others."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa

from benchmark.contracts.clips import Clip, Clips
from benchmark.contracts.labels import Labels
from benchmark.contracts.parquet import TableFormat, columns
from benchmark.core.errors import FormatError, MismatchError
from benchmark.editions.splits import OOF, REFIT, Groups

COLUMNS = columns(clip_id=pa.string(), group=pa.string(), fold=pa.int16())
FORMAT = TableFormat("folds/1", "a file of folds", COLUMNS, ("edition", "groups", "over"))


@dataclass(frozen=True)
class FoldTable:
    """The fold of each clip of the splits `over`, in the order of the index."""

    edition: str
    groups: Groups
    over: tuple[str, ...]
    clip_id: tuple[str, ...]
    group: tuple[str, ...]
    """The video or the person of each clip."""
    fold: tuple[int, ...]
    """From 0."""

    @property
    def number(self) -> int:
        """Folds."""
        return max(self.fold) + 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the assignment: probabilities of another one cannot be joined with these."""
        rows = sorted(zip(self.clip_id, self.group, self.fold, strict=True))
        return hashlib.sha256(json.dumps([self.edition, rows]).encode()).hexdigest()

    def clips_of(self, fold: str) -> tuple[str, ...]:
        """Name the clips that a fold (`fold2`) holds out; `all` holds out none."""
        return tuple(
            clip for clip, k in zip(self.clip_id, self.fold, strict=True) if f"fold{k}" == fold
        )

    def groups_of(self, fold: str) -> set[str]:
        """Name the groups that a fold holds out."""
        rows = zip(self.group, self.fold, strict=True)
        return {group for group, k in rows if f"fold{k}" == fold}

    def view(self, clips: Clips, fold: str) -> Clips:
        """Return the index as a training of the fold sees it: validation is what it holds out.

        `all` trains on every clip. It has no clips of its own to validate on, so those of the
        split val stand in, which it has also trained on if that split is dealt into folds.
        """
        held_out = {*self.clips_of(fold)}
        rows: list[Clip] = []
        for clip in clips.with_excluded:
            if clip.clip_id in held_out:
                rows.append(replace(clip, split="val"))
            elif clip.split in self.over:
                rows.append(replace(clip, split="train"))
                if fold == REFIT and clip.split == "val":
                    rows.append(clip)
            elif clip.split == "val" and fold != REFIT:
                # Prepared data must hold the clips of the index: this one stays, in no split.
                rows.append(replace(clip, split=cast("Any", "unused")))
            else:
                rows.append(clip)
        return Clips(clips.edition, tuple(rows))


def group_of(clip: Clip, groups: Groups) -> str:
    """Return the video or the person of a clip.

    Raises:
        FormatError: The archive names no person.
    """
    group = clip.video if groups == "video" else clip.subject
    if not group:
        raise FormatError(
            f"clip {clip.clip_id}", "has no subject", do="Group the folds by video: groups: video"
        )
    return group


def oof_labels(clips: Clips, over: Sequence[str], groups: Groups) -> Labels:
    """Take the labels of all clips that are dealt into folds; their `videos` are the groups.

    Raises:
        FormatError: A label is withheld, or a clip has no subject.
    """
    rows = Clips(clips.edition, tuple(clip for clip in clips if clip.split in over))
    videos = tuple(group_of(clip, groups) for clip in rows)
    return Labels(clips.edition, OOF, tuple(rows.ids), videos, rows.labels())


def write_folds(table: FoldTable, path: Path) -> None:
    """Write folds as parquet; equal contents give equal bytes."""
    arrays = [pa.array(getattr(table, field.name), field.type) for field in COLUMNS]
    FORMAT.write(
        pa.table(arrays, schema=COLUMNS), path, edition=table.edition, groups=table.groups,
        over=json.dumps(table.over),
    )  # fmt: skip


def read_folds(path: Path, clips: Clips) -> FoldTable:
    """Read folds and check them against the index.

    Raises:
        FormatError: The file is missing or breaks its schema, or a group is in two folds.
        MismatchError: It is of another edition or of other clips.
    """
    found, told = FORMAT.read(path, do=f"Run 'dvc repro folds@{clips.edition}'")
    rows = (tuple(found[name].to_pylist()) for name in COLUMNS.names)
    groups = cast("Groups", told["groups"])
    table = FoldTable(told["edition"], groups, tuple(json.loads(told["over"])), *rows)
    check_folds(table, clips, where=path)
    return table


def check_folds(table: FoldTable, clips: Clips, *, where: object) -> None:
    """Raise `FormatError` or `MismatchError` unless the folds are sound for the index."""
    if table.edition != clips.edition:
        raise MismatchError(where, "another edition's", expected=clips.edition, found=table.edition)
    wanted = {c.clip_id: group_of(c, table.groups) for c in clips if c.split in table.over}
    given = dict(zip(table.clip_id, table.group, strict=True))
    if differ := sorted(wanted.keys() ^ given.keys()):
        raise MismatchError(
            where, f"not the clips of {' and '.join(table.over)}, the first is {differ[0]}",
            expected=f"{len(wanted)} clips", found=str(len(given)),
        )  # fmt: skip
    if len(given) < len(table.clip_id):
        twice = Counter(table.clip_id).most_common(1)[0][0]
        raise FormatError(where, f"clip {twice} comes twice")
    fold_of: dict[str, int] = {}
    for clip, fold in zip(table.clip_id, table.fold, strict=True):
        if given[clip] != wanted[clip]:
            raise MismatchError(where, f"clip {clip} is of another {table.groups}")
        if fold_of.setdefault(wanted[clip], fold) != fold:
            found = f"{fold_of[wanted[clip]]} and {fold}"
            raise FormatError(
                where, f"{table.groups} {wanted[clip]} is in two folds", found=found,
                do="Give all its clips the same fold: they resemble each other",
            )  # fmt: skip
    counts = np.bincount(table.fold, minlength=2) if min(table.fold) >= 0 else np.zeros(1)
    if not counts.all() or len(counts) < 2:
        raise FormatError(where, "its folds are not numbered 0, 1, ... with clips in each")
