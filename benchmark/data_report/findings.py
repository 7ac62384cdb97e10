"""What the survey says, in sentences."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from benchmark.archives.expected_counts import label_differences
from benchmark.editions.edition import SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark.data_report.scan import Survey

Level = Literal["ok", "note", "fault"]
NAMED = 5
"""How many of a kind are named."""


class Finding(NamedTuple):
    """One sentence, and how bad it is."""

    level: Level
    text: str


def findings(survey: Survey) -> list[Finding]:
    """All of them: first what is wrong, then what to know, then what is fine."""
    found = [
        *_sizes(survey),
        *_labels(survey),
        *_left_out(survey),
        *_faults(survey),
        *_shapes(survey),
        *_rows(survey),
        *_gaps(survey),
        *_subjects(survey),
    ]
    order = ("fault", "note", "ok")
    return sorted(found, key=lambda finding: order.index(finding.level))


def _sizes(survey: Survey) -> Iterator[Finding]:
    published = survey.edition.counts or {}
    for split in SPLITS:
        rows = survey.clips.split(split).with_excluded
        text = f"{split}: {len({clip.video for clip in rows})} videos, {len(rows)} clips"
        if split in published:
            text += ", as published"  # another size is refused by the reader
        yield Finding("ok" if rows else "note", text)
    yield Finding("ok", "no clip id comes twice, no video is in two splits")  # else: refused
    if ids := survey.edition.ids:
        yield Finding("ok", f"clip ids of {', '.join(ids)} are the leaderboard's, in its order")
    yield Finding("ok", "every clip lies inside its video")


def _labels(survey: Survey) -> Iterator[Finding]:
    notes = label_differences(survey.clips, survey.edition)
    yield from (Finding("note", note) for note in notes)
    if survey.edition.label_counts and not notes:
        yield Finding("ok", "as many clips of every class as published")
    for split in SPLITS:
        labels = {clip.label for clip in survey.clips.split(split)} - {None}
        absent = len(survey.edition.classes) - len(labels)
        if labels and absent:
            yield Finding("note", f"{split}: {absent} classes have no clip")


def _left_out(survey: Survey) -> Iterator[Finding]:
    if out := survey.clips.excluded:
        videos = ", ".join(sorted({clip.video for clip in out}))
        yield Finding("note", f"left out as asked: {len(out)} clips of {videos}")


def _faults(survey: Survey) -> Iterator[Finding]:
    for video in survey.videos:
        yield from (Finding("fault", fault) for fault in video.faults)


def _shapes(survey: Survey) -> Iterator[Finding]:
    sizes = Counter(f"{video.info.width}x{video.info.height}" for video in survey.videos)
    rates = Counter(f"{video.info.fps:.5g}" for video in survey.videos)
    for what, counts in (("size", sizes), ("frame rate", rates)):
        level = "ok" if len(counts) == 1 else "note"
        listed = ", ".join(f"{name} ({n} videos)" for name, n in counts.most_common(NAMED))
        more = ", ..." if len(counts) > NAMED else ""
        yield Finding(level, f"{what} read from the files: {listed}{more}")


def _rows(survey: Survey) -> Iterator[Finding]:
    sheets = [video for video in survey.videos if video.sheet_rows is not None]
    if not sheets:
        return
    off = [video for video in sheets if video.sheet_rows != video.info.frames]
    if not off:
        yield Finding("ok", f"{len(sheets)} sheets have one row a decoded frame")
        return
    worst = max(off, key=lambda video: abs((video.sheet_rows or 0) - video.info.frames))
    yield Finding(
        "note",
        f"{len(off)} of {len(sheets)} sheets have another number of rows than their video has "
        f"frames; worst {worst.video}: {worst.sheet_rows} rows, {worst.info.frames} frames",
    )


def _gaps(survey: Survey) -> Iterator[Finding]:
    if survey.layout is None:
        yield Finding("note", "the archive brings no skeletons")
        return
    if lone := survey.lone:
        some = ", ".join(lone[:NAMED])
        yield Finding("note", f"{len(lone)} skeletons belong to no clip, the first: {some}")
    gaps = survey.gaps
    if not gaps:
        return
    share = np.array([gap.missing for gap in gaps])
    worst = gaps[int(share.argmax())]
    yield Finding(
        "note",
        f"{100 * float(survey.unseen().mean()):.1f} % of all points have confidence 0; worst clip "
        f"{worst.clip_id}: {100 * worst.missing:.1f} %",
    )
    if empty := [gap.clip_id for gap in gaps if gap.missing >= 1]:
        some = ", ".join(empty[:NAMED])
        yield Finding("note", f"{len(empty)} clips have no seen point at all, the first: {some}")


def _subjects(survey: Survey) -> Iterator[Finding]:
    splits: dict[str, set[str]] = {}
    for clip in survey.clips:
        if clip.subject:
            splits.setdefault(clip.subject, set()).add(clip.split)
    shared = sorted(name for name, where in splits.items() if len(where) > 1)
    if shared:
        yield Finding(
            "note", f"{len(shared)} subjects are in several splits, the first: {shared[0]}"
        )
    elif splits:
        yield Finding("ok", "no subject is in two splits")
