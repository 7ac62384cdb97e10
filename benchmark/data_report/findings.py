"""What the scan of an archive found, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmark.archives.archive import label_differences
from benchmark.contracts.clips import leaked_subjects
from benchmark.core.findings import Finding, worst_first
from benchmark.editions.splits import SPLITS

if TYPE_CHECKING:
    from benchmark.data_report.scan import ArchiveScan

NAMED = 5
"""How many of a kind a sentence names."""


def findings(scan: ArchiveScan) -> list[Finding]:
    """List all findings: first what is wrong, then what to know, then what is fine."""
    checks = (_sizes, _labels, _excluded, _faults, _shapes, _rows, _gaps, _subjects)
    return worst_first(finding for check in checks for finding in check(scan))


def _sizes(scan: ArchiveScan) -> Iterator[Finding]:
    published = scan.edition.counts or {}
    for split in SPLITS:
        rows = scan.clips.split(split).with_excluded
        text = f"{split}: {len({clip.video for clip in rows})} videos, {len(rows)} clips"
        if split in published:
            text += ", as published"  # `Archive.read` refuses another size
        yield Finding("ok" if rows else "note", text)
        if split != "train" and len({clip.video for clip in rows}) == 1:
            yield Finding("note", f"{split}: one video gives no interval and no verdict on a score")
    # The next three hold as well: `Archive.read` refuses an archive where one does not.
    yield Finding("ok", "no clip id comes twice, no video is in two splits")
    if ids := scan.edition.ids:
        yield Finding("ok", f"clip ids of {', '.join(ids)} are the leaderboard's, in its order")
    yield Finding("ok", "every clip lies inside its video")


def _labels(scan: ArchiveScan) -> Iterator[Finding]:
    notes = label_differences(scan.clips, scan.edition)
    yield from (Finding("note", note) for note in notes)
    if scan.edition.label_counts and not notes:
        yield Finding("ok", "as many clips of every class as published")
    for split in SPLITS:
        labels = {clip.label for clip in scan.clips.split(split)} - {None}
        absent = len(scan.edition.classes) - len(labels)
        if labels and absent:
            yield Finding("note", f"{split}: {absent} classes have no clip")


def _excluded(scan: ArchiveScan) -> Iterator[Finding]:
    if excluded := scan.clips.excluded:
        videos = ", ".join(sorted({clip.video for clip in excluded}))
        yield Finding("note", f"excluded as asked: {len(excluded)} clips of {videos}")


def _faults(scan: ArchiveScan) -> Iterator[Finding]:
    for video in scan.videos:
        yield from (Finding("fault", fault) for fault in video.faults)


def _shapes(scan: ArchiveScan) -> Iterator[Finding]:
    sizes = Counter(f"{video.info.width}x{video.info.height}" for video in scan.videos)
    rates = Counter(f"{video.info.fps:.5g}" for video in scan.videos)
    for what, counts in (("size", sizes), ("frame rate", rates)):
        level = "ok" if len(counts) == 1 else "note"
        values = ", ".join(f"{name} ({n} videos)" for name, n in counts.most_common(NAMED))
        more = ", ..." if len(counts) > NAMED else ""
        yield Finding(level, f"{what} read from the files: {values}{more}")


def _rows(scan: ArchiveScan) -> Iterator[Finding]:
    sheets = [video for video in scan.videos if video.sheet_rows is not None]
    if not sheets:
        return
    off = [video for video in sheets if video.sheet_rows != video.info.frames]
    if not off:
        yield Finding("ok", f"{len(sheets)} sheets have one row per decoded frame")
        return
    worst = max(off, key=lambda video: abs((video.sheet_rows or 0) - video.info.frames))
    yield Finding(
        "note",
        f"{len(off)} of {len(sheets)} sheets have another number of rows than their video has "
        f"frames; worst {worst.video}: {worst.sheet_rows} rows, {worst.info.frames} frames",
    )


def _gaps(scan: ArchiveScan) -> Iterator[Finding]:
    if scan.layout is None:
        yield Finding("note", "the archive contains no skeletons")
        return
    if lone := scan.lone:
        first = ", ".join(lone[:NAMED])
        yield Finding("note", f"{len(lone)} skeletons belong to no clip, the first: {first}")
    gaps = scan.gaps
    if not gaps:  # every sheet is damaged, and a fault names each of them
        return
    worst = max(gaps, key=lambda clip: gaps[clip])
    yield Finding(
        "note",
        f"{100 * float(scan.unseen().mean()):.1f} % of all points have confidence 0; worst clip "
        f"{worst}: {100 * gaps[worst]:.1f} %",
    )
    if doubtful := [video for video in scan.videos if video.doubt]:
        first = doubtful[0]
        yield Finding(
            "note",
            f"KEYPOINTS MAY NOT BE PIXELS of {len(doubtful)} videos, the first {first.video}: "
            f"{first.doubt}?",
        )
    if empty := [clip for clip, missing in gaps.items() if missing >= 1]:
        first = ", ".join(empty[:NAMED])
        yield Finding("note", f"{len(empty)} clips have no seen point at all, the first: {first}")


def _subjects(scan: ArchiveScan) -> Iterator[Finding]:
    # A note: stage `index` has refused it, unless params.yaml allows these persons.
    if leaked := leaked_subjects(scan.clips, ()):
        first, splits = next(iter(leaked.items()))
        where = f"{first} ({', '.join(splits)})"
        yield Finding("note", f"{len(leaked)} persons are in several splits, the first: {where}")
    elif any(clip.subject for clip in scan.clips):
        yield Finding("ok", "no person is in two splits")
