"""Keypoints of every clip as one array: `keypoints.npy` float32 (sum of frames, J, 3)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmark.datasets.imigue import RawVideo, raw_videos, read_openpose
from benchmark.errors import ArchiveError
from benchmark.modalities.layouts import Layout, layout
from benchmark.modalities.media import Medium, write_media
from benchmark.modalities.skeleton_media import FILE
from benchmark.workers import map_in_processes

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.clips import Clips
    from benchmark.params import SkeletonMedia


def prepare(spec: SkeletonMedia, raw: Path, clips: Clips, folder: Path, *, workers: int) -> None:
    """Read every sheet once, keep the layout's points, cut at the clips.

    Raises:
        ArchiveError: A sheet is damaged, or shorter than a clip of its video.
    """
    ends: dict[str, int] = {}
    for clip in clips:
        ends[clip.video] = max(clip.end_frame, ends.get(clip.video, 0))
    videos = [video for video in raw_videos(raw) if video.video in ends]
    read = partial(_read_video, points=layout(spec.layout), ends=ends)
    sheets = map_in_processes(read, videos, what="read keypoints", workers=workers)
    by_video = dict(zip((video.video for video in videos), sheets, strict=True))
    parts, media, offset = [], [], 0
    for clip in clips:
        parts.append(by_video[clip.video][clip.start_frame : clip.end_frame])
        media.append(
            Medium(clip.clip_id, FILE, offset, clip.frames, clip.frames, clip.height, clip.width)
        )
        offset += clip.frames
    np.save(folder / FILE, np.concatenate(parts))
    write_media(media, folder, clips, spec=spec.model_dump_json())


def _read_video(video: RawVideo, *, points: Layout, ends: dict[str, int]) -> NDArray[np.float32]:
    sheet = read_openpose(video.sheet)
    end = ends[video.video]
    if len(sheet) < end:
        raise ArchiveError(
            video.sheet,
            "shorter than its clips",
            expected=f"at least {end} rows, one a frame",
            found=f"{len(sheet)} rows",
        )
    return np.ascontiguousarray(sheet[:, points.points])
