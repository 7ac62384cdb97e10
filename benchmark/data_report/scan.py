"""Scan a raw archive: every sheet once, the size of every video, a few frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark.archives.keypoints import Arrays, RawKeypoints, Sheets, doubt_about
from benchmark.archives.raw_files import RawFile, probe_raw
from benchmark.archives.union import open_archive
from benchmark.contracts.skeletons import OPENPOSE36, Layout
from benchmark.core.errors import FaultList
from benchmark.core.video import VideoInfo, frames_at
from benchmark.runtime.parallel import map_in_processes

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clip, Clips
    from benchmark.editions.edition import Edition
    from benchmark.editions.splits import Split

    Frame: TypeAlias = NDArray[np.uint8]


class SampleFrame(NamedTuple):
    """The middle frame of a clip, with its keypoints where there are any."""

    clip: Clip
    frame: Frame
    """uint8 (H, W, 3) RGB."""
    points: NDArray[np.float32] | None
    """float32 (J, 3) of x px, y px, confidence."""


@dataclass(frozen=True)
class VideoScan:
    """What the scan saw of one raw video."""

    video: str
    split: Split
    clips: int
    info: VideoInfo
    sheet_rows: int | None
    """Rows of its OpenPose sheet; None where the data set has none."""
    gaps: dict[str, float]
    """Clip id -> share of the points of its skeleton with confidence 0."""
    unseen: NDArray[np.int64]
    """int64 (J,): frames within clips where a point has confidence 0."""
    seen_frames: int
    """Frames within clips whose points were counted."""
    samples: tuple[SampleFrame, ...]
    doubt: str
    """Why its keypoints may not be pixels of it; empty where they look right."""
    faults: tuple[str, ...]

    @property
    def missing(self) -> float | None:
        """Share of points without confidence; None where there are no points."""
        total = self.seen_frames * len(self.unseen)
        return float(self.unseen.sum() / total) if total else None


@dataclass(frozen=True)
class ArchiveScan:
    """What the scan saw of a whole archive."""

    edition: Edition
    clips: Clips
    layout: Layout | None
    """None where the archive contains no keypoints."""
    videos: tuple[VideoScan, ...]
    lone: tuple[str, ...]
    """Arrays of keypoints that belong to no clip."""

    @property
    def gaps(self) -> dict[str, float]:
        """Share of missing points of every clip by its id, in the order of the videos."""
        return {clip: share for video in self.videos for clip, share in video.gaps.items()}

    def unseen(self) -> NDArray[np.float64]:
        """Compute the share of frames in which each point is missing: float64 (J,)."""
        frames = max(1, sum(video.seen_frames for video in self.videos))
        return np.sum([video.unseen for video in self.videos], 0) / frames

    def samples(self) -> list[SampleFrame]:
        """List one frame per class that has a training clip, in the order of the classes."""
        samples = [sample for video in self.videos for sample in video.samples]
        return sorted(samples, key=lambda sample: sample.clip.label or 0)


def scan_archive(root: Path, edition: Edition, clips: Clips, *, workers: int) -> ArchiveScan:
    """Look at every raw file of `clips`; damage becomes a fault of its video, not an error.

    Args:
        root: Folder of the raw archive.
        edition: Its edition.
        clips: Its index, of all splits.
        workers: Number of processes.

    Raises:
        ArchiveError: A file is missing.
    """
    archive = open_archive(root, edition)
    keypoints, files = archive.keypoints(), archive.video_files()
    layout = None if keypoints is None else keypoints.own_layout or OPENPOSE36
    chosen = {clip.clip_id for clip in _earliest_of_each_class(clips)}
    rows = sorted(clips, key=lambda clip: clip.video)
    jobs = []
    for video, group in groupby(rows, key=lambda clip: clip.video):
        of_video = tuple(group)
        wanted = tuple(clip for clip in of_video if clip.clip_id in chosen)
        points = keypoints and keypoints.only(of_video)
        jobs.append(_Job(of_video, wanted, files.get(video), points))
    scan_video = partial(_scan_video, layout=layout)
    scans = map_in_processes(scan_video, jobs, what="scan", workers=workers)
    # The jobs are sorted by name; the report has the order of the index.
    order = {video: k for k, video in enumerate(Counter(clips.videos))}
    videos = sorted(scans, key=lambda scan: order[scan.video])
    ids = {clip.clip_id for clip in clips.with_excluded}
    lone = sorted({*keypoints.files} - ids) if isinstance(keypoints, Arrays) else []
    return ArchiveScan(edition, clips, layout, tuple(videos), tuple(lone))


def _earliest_of_each_class(clips: Clips) -> list[Clip]:
    # Decoding starts at the first frame: clips at the start of a long video cost little.
    earliest: dict[int, Clip] = {}
    for clip in sorted(clips.split("train"), key=lambda clip: clip.end_frame):
        earliest.setdefault(clip.label or 0, clip)
    return list(earliest.values())


class _Job(NamedTuple):
    """All that the scan of one video needs."""

    clips: tuple[Clip, ...]
    chosen: tuple[Clip, ...]
    """Those whose middle frame is a sample."""
    file: RawFile | None
    """None where there are skeletons alone."""
    keypoints: RawKeypoints | None


def _scan_video(job: _Job, *, layout: Layout | None) -> VideoScan:
    clips = job.clips
    first, faults = clips[0], FaultList()
    points_of: dict[str, NDArray[np.float32]] = {}
    rows = None
    # The two blocks fail apart: a damaged sheet does not hide the damage of its video.
    with faults.collected():
        if isinstance(job.keypoints, Sheets):
            sheet = job.keypoints.read(first.video)
            rows, pairs = len(sheet), job.keypoints.cut(sheet, clips)
        else:
            pairs = job.keypoints.of_video(clips) if job.keypoints else ()
        for clip, points in pairs:
            points_of[clip.clip_id] = points[:, list(layout.points)] if layout else points
    samples: list[SampleFrame] = []
    with faults.collected():
        samples = _samples(job.file, job.chosen, points_of)
    if job.file is None:
        info = VideoInfo(first.width, first.height, first.fps, first.frames)
    else:
        info = probe_raw(job.file, excluded=True)  # damage is among the faults by now
    unseen = np.zeros(len(layout.points) if layout else 0, np.int64)
    for points in points_of.values():
        unseen += (points[..., 2] <= 0).sum(0)
    return VideoScan(
        video=first.video, split=first.split, clips=len(clips),
        info=info,
        sheet_rows=rows, unseen=unseen, seen_frames=sum(map(len, points_of.values())),
        gaps={clip: float((p[..., 2] <= 0).mean()) for clip, p in points_of.items()},
        samples=tuple(samples), faults=tuple(str(fault) for fault in faults.errors),
        doubt=doubt_about([*points_of.values()], (first.width, first.height)),
    )  # fmt: skip


def _samples(
    file: RawFile | None, chosen: Sequence[Clip], points_of: dict[str, NDArray[np.float32]]
) -> list[SampleFrame]:
    if not chosen:
        return []  # an archive in a zip is not unpacked for nothing
    middle = {clip.clip_id: (clip.start_frame + clip.end_frame) // 2 for clip in chosen}
    if file is None:
        # Skeletons alone: the points on an empty picture.
        return [
            SampleFrame(
                clip, np.zeros((clip.height, clip.width, 3), np.uint8),
                points_of[clip.clip_id][middle[clip.clip_id]],
            )
            for clip in chosen if clip.clip_id in points_of
        ]  # fmt: skip
    samples = []
    with file.local() as path:
        for number, frame in frames_at(path, middle.values()):
            for clip in chosen:
                if middle[clip.clip_id] == number:
                    points = points_of.get(clip.clip_id)
                    at = number - clip.start_frame
                    samples.append(SampleFrame(clip, frame, None if points is None else points[at]))
    return samples
