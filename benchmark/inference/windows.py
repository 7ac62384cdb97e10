"""Windows over the whole videos of an edition, scored by one trained network."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.archives.keypoints import Sheets
from benchmark.contracts.clips import Clip, Clips
from benchmark.contracts.window_scores import WindowScores
from benchmark.core.errors import ArchiveError
from benchmark.core.video import Timeline
from benchmark.editions.splits import SPLITS
from benchmark.inference.any_video import sliding_windows
from benchmark.inference.predict import predict
from benchmark.inference.systems import Member, with_levels
from benchmark.inference.video_archive import safe_names, window_ids
from benchmark.modalities.one_file import Span
from benchmark.runtime.parallel import map_in_processes, usable_cores

if TYPE_CHECKING:
    from benchmark.archives.archive import Archive
    from benchmark.editions.edition import Edition

log = logging.getLogger(__name__)

PER_SHARD = 2000
"""Windows of a shard, about: bounds the memory, and what an interruption costs."""


def window_clips(
    archive: Archive, clips: Clips, *, window: float, step: float, points: bool
) -> Clips:
    """Cut windows out of every video of an index: an index of windows, none of them labeled.

    Args:
        archive: The raw archive.
        clips: The index; excluded clips give no windows.
        window: Seconds.
        step: Seconds from the start of a window to that of the next.
        points: Whether each window needs keypoints: it then ends with the rows of its sheet.

    Raises:
        ArchiveError: The keypoints are those of clips, not of whole videos; a file is missing.
        ManyFaults: Every video that is damaged.
    """
    source = archive.keypoints() if points else None
    if source is not None and not isinstance(source, Sheets):
        wrong = "the keypoints are cut at the clips: none lie between them"
        raise ArchiveError(archive.root, wrong, do="Choose an experiment that reads videos")
    videos = list({clip.video: clip for clip in clips}.values())
    names = [clip.video for clip in videos]
    frames = archive.num_frames(names)
    if source is not None:
        # A process costs as much as dozens of small sheets.
        workers = min(usable_cores(), 1 + len(names) // 100)
        rows = map_in_processes(source.num_rows, names, what="read sheets", workers=workers)
        for clip, count, seen in zip(videos, rows, frames, strict=True):
            if count < seen:
                log.warning("%s: windows end with its sheet, %d of %d", clip.video, count, seen)
        frames = [min(pair) for pair in zip(rows, frames, strict=True)]
    return Clips(clips.edition, tuple(_windows(videos, frames, window, step)))


def _windows(
    videos: Sequence[Clip], frames: Sequence[int], window: float, step: float
) -> Iterator[Clip]:
    # The ids of `mgbench predict`: views draw their frames by them, so both see the same.
    names = safe_names([clip.video for clip in videos])
    for clip, count in zip(videos, frames, strict=True):
        # Labels count frames, whatever their time stamps: so do windows.
        times = Timeline(np.arange(count + 1) / clip.fps)
        spans = sliding_windows(times, Span(0, count), window, step)
        for clip_id, span in zip(window_ids(names[clip.video], len(spans)), spans, strict=True):
            yield replace(
                clip, clip_id=clip_id, label=None, start_frame=span.start, end_frame=span.end
            )


def score_windows(
    source: Member, raw: Path, windows: Clips, edition: Edition, *, work: Path
) -> Iterator[WindowScores]:
    """Prepare all windows, as clips are, and yield the scores of each split that has any.

    Args:
        source: The network that scores them.
        raw: The raw archive.
        windows: From `window_clips`.
        edition: Of the archive.
        work: Folder for the prepared windows. What is stopped goes on there.

    Raises:
        FormatError: The model cannot be read.
        ManyFaults: Every raw file that is damaged or too short.
    """
    (network,) = source.networks
    network.weights()  # a damaged file is reported before hours of work
    spec = with_levels(network.metadata.modality, source.prepared)
    spec = spec.model_copy(update={"shards": max(1, len(windows) // PER_SHARD)})
    # Not `prepare`: without the shards' keys, a stop while predicting would make all anew.
    spec.make(raw, edition, windows, work, workers=usable_cores(), what=work.name)
    for split in SPLITS:
        part = windows.split(split)
        if not len(part):
            continue
        # The first view alone: the neighbors of a window see the same gesture.
        found = predict(network, work, windows, split, source.recipe, quick=True)
        yield WindowScores(
            edition.name, split, found.source, found.classes, tuple(part.videos),
            np.array([clip.start_frame for clip in part], np.int64),
            np.array([clip.end_frame for clip in part], np.int64), found.aligned(part.ids).p,
        )  # fmt: skip
    shutil.rmtree(work)
