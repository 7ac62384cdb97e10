"""Take the survey: every sheet once, every video's size, a few frames."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from benchmark.archives.archive import raw_keypoints, raw_video_files
from benchmark.archives.keypoints import Arrays, Sheets
from benchmark.archives.probing import probe_raw
from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.core.errors import FaultList
from benchmark.core.video import read_frames
from benchmark.runtime.parallel import map_in_processes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.archives.keypoints import RawKeypoints
    from benchmark.archives.raw_files import RawFile
    from benchmark.contracts.clips import Clip, Clips
    from benchmark.contracts.skeletons import Layout
    from benchmark.core.video import VideoInfo
    from benchmark.editions.edition import Edition, Split

    Frame: TypeAlias = NDArray[np.uint8]


class Sample(NamedTuple):
    """The middle frame of a clip, with its keypoints where there are any."""

    clip: Clip
    frame: Frame
    """uint8 (H, W, 3) RGB."""
    points: NDArray[np.float32] | None
    """float32 (J, 3) of x px, y px, confidence."""


class ClipGaps(NamedTuple):
    """How much of a clip's skeleton was not seen."""

    clip_id: str
    missing: float
    """Share of its points with confidence 0."""


@dataclass(frozen=True)
class VideoSurvey:
    """One raw video."""

    video: str
    split: Split
    clips: int
    info: VideoInfo
    sheet_rows: int | None
    """Rows of its OpenPose sheet; None where the data set has none."""
    gaps: tuple[ClipGaps, ...]
    unseen: NDArray[np.int64]
    """int64 (J,): frames within clips where a point has confidence 0."""
    seen_frames: int
    """Frames within clips whose points were counted."""
    samples: tuple[Sample, ...]
    faults: tuple[str, ...]

    @property
    def missing(self) -> float | None:
        """Share of points without confidence; None where there are no points."""
        total = self.seen_frames * len(self.unseen)
        return float(self.unseen.sum() / total) if total else None


@dataclass(frozen=True)
class Survey:
    """A whole archive."""

    edition: Edition
    clips: Clips
    layout: Layout | None
    """None where the archive brings no keypoints."""
    videos: tuple[VideoSurvey, ...]
    lone: tuple[str, ...]
    """Arrays of keypoints that belong to no clip."""

    @property
    def gaps(self) -> list[ClipGaps]:
        """Of every clip, in the index's order."""
        return [gap for video in self.videos for gap in video.gaps]

    def unseen(self) -> NDArray[np.float64]:
        """Share of frames in which each point is missing: float64 (J,)."""
        frames = max(1, sum(video.seen_frames for video in self.videos))
        return np.sum([video.unseen for video in self.videos], 0) / frames

    def samples(self) -> list[Sample]:
        """One of each class that has a training clip, in the order of the classes."""
        found = [sample for video in self.videos for sample in video.samples]
        return sorted(found, key=lambda sample: sample.clip.label or 0)


def take_survey(root: Path, edition: Edition, clips: Clips, *, workers: int) -> Survey:
    """Look at every raw file of `clips`; damage becomes a fault of its video, not an error."""
    source = raw_keypoints(root, edition)
    points = None if source is None else source.own_layout or OPENPOSE36
    chosen = {clip.clip_id for clip in _earliest_of_each_class(clips)}
    rows = sorted(clips, key=lambda clip: clip.video)
    modality = raw_video_files(root, edition)
    jobs = []
    for video, group in groupby(rows, key=lambda clip: clip.video):
        own = tuple(group)
        wanted = tuple(clip for clip in own if clip.clip_id in chosen)
        jobs.append(_Job(own, wanted, modality[video], source and source.only(own)))
    found = map_in_processes(partial(_look, points=points), jobs, what="survey", workers=workers)
    order = {video: k for k, video in enumerate(Counter(clips.videos))}
    videos = sorted(found, key=lambda video: order[video.video])
    ids = {clip.clip_id for clip in clips.with_excluded}
    lone = sorted({*source.files} - ids) if isinstance(source, Arrays) else []
    return Survey(edition, clips, points, tuple(videos), tuple(lone))


def _earliest_of_each_class(clips: Clips) -> list[Clip]:
    """Frames at the begin of a long video cost little to decode."""
    best: dict[int, Clip] = {}
    for clip in clips.split("train"):
        label = clip.label or 0
        if label not in best or clip.end_frame < best[label].end_frame:
            best[label] = clip
    return list(best.values())


class _Job(NamedTuple):
    """All that the survey of one video needs."""

    clips: tuple[Clip, ...]
    chosen: tuple[Clip, ...]
    """Those whose middle frame is a sample."""
    modality: RawFile
    keypoints: RawKeypoints | None


def _look(job: _Job, *, points: Layout | None) -> VideoSurvey:
    clips, source = job.clips, job.keypoints
    first, faults = clips[0], FaultList()
    keypoints: dict[str, NDArray[np.float32]] = {}
    rows = None
    if source is not None and points is not None:
        with faults.collected():
            if isinstance(source, Sheets):
                sheet = source.read(first.video)
                rows, pairs = len(sheet), source.cut(sheet, clips)
            else:
                pairs = source.of_video(clips)
            for clip, found in pairs:
                keypoints[clip.clip_id] = found[:, list(points.points)]
    samples: list[Sample] = []
    with faults.collected():
        samples = _samples(job.modality, job.chosen, keypoints)
    unseen = np.zeros(len(points.points) if points else 0, np.int64)
    for found in keypoints.values():
        unseen += (found[..., 2] <= 0).sum(0)
    return VideoSurvey(
        video=first.video,
        split=first.split,
        clips=len(clips),
        info=probe_raw(job.modality, excluded=True),
        sheet_rows=rows,
        gaps=tuple(ClipGaps(c, float((p[..., 2] <= 0).mean())) for c, p in keypoints.items()),
        unseen=unseen,
        seen_frames=sum(map(len, keypoints.values())),
        samples=tuple(samples),
        faults=tuple(str(fault) for fault in faults.found),
    )


def _samples(
    file: RawFile, wanted: Sequence[Clip], keypoints: dict[str, NDArray[np.float32]]
) -> list[Sample]:
    if not wanted:
        return []
    middle = {clip.clip_id: (clip.start_frame + clip.end_frame) // 2 for clip in wanted}
    last, found = max(middle.values()), []
    with file.local() as path:
        for number, frame in enumerate(read_frames(path)):
            for clip in wanted:
                if middle[clip.clip_id] == number:
                    points = keypoints.get(clip.clip_id)
                    at = number - clip.start_frame
                    found.append(Sample(clip, frame, None if points is None else points[at]))
            if number == last:
                break
    return found
