"""Keypoints found in the raw videos, for archives that bring none; stored like given ones."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark import layouts
from benchmark.datasets import advice, raw_media
from benchmark.errors import ArchiveError
from benchmark.layouts import choose, write_layout
from benchmark.modalities import media as media_table
from benchmark.modalities import shards
from benchmark.modalities.media import Medium, write_media
from benchmark.modalities.mediapipe_points import PointsFinder, PoseModels, model_hashes
from benchmark.video import read_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.clips import Clip, Clips
    from benchmark.datasets.raw_files import RawFile
    from benchmark.editions import Edition
    from benchmark.layouts import Layout
    from benchmark.media_params import PoseMedia
    from benchmark.modalities.shards import Shard


def prepare(
    spec: PoseMedia, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
) -> None:
    """Find the points of every frame of every clip, keep the layout's.

    Raises:
        ArchiveError: A model file is missing.
        MissingExtra: MediaPipe is not installed.
        ManyFaults: Every raw video that cannot be decoded up to the end of its last clip.
    """
    models = PoseModels(
        Path(spec.pose),
        Path(spec.hands) if spec.hands else None,
        Path(spec.face) if spec.face else None,
    )
    with PointsFinder(models, fps=25):
        pass  # a missing package or a damaged model is said once, not once a video
    files = raw_media(raw, edition)
    points = choose(spec.layout, None)
    # Part of what was made: other models find other points.
    knobs = json.dumps({**spec.model_dump(), "models": model_hashes(models)})
    work = shards.work_folder(out)
    plan = shards.keyed(
        shards.plan_shards(clips, spec.shards, "keypoints-{:03d}.npy"),
        lambda some: [files[name].stamp() for name in dict.fromkeys(c.video for c in some)],
        knobs,
    )
    write = partial(_write_shard, files=files, points=points, models=models)
    made = shards.make_shards(
        plan, write, work, what="find keypoints", workers=workers, do=advice(edition)
    )
    write_media(made, work, clips, spec=knobs)
    write_layout(points, work)
    names = [shard.name for shard in plan]
    shards.finish(work, out, [media_table.FILE, layouts.FILE, *names])


def _write_shard(
    shard: Shard, path: Path, *, files: dict[str, RawFile], points: Layout, models: PoseModels
) -> list[Medium]:
    parts, media, offset = [], [], 0
    for clips, faults in shards.collect_videos(shard):
        with faults.collected():
            found = _find(files[clips[0].video], clips, models)
            for clip in clips:
                frames = range(clip.start_frame, clip.end_frame)
                parts.append(np.stack([found[k] for k in frames])[:, list(points.points)])
                size = (clip.frames, clip.frames, clip.height, clip.width)
                media.append(Medium(clip.clip_id, shard.name, offset, *size))
                offset += clip.frames
    with path.open("wb") as file:  # np.save would add an ending to the name
        np.save(file, np.concatenate(parts))
    return media


def _find(file: RawFile, clips: list[Clip], models: PoseModels) -> dict[int, NDArray[np.float32]]:
    """(137, 3) of each frame that lies in a clip; tracked from the first clip to the last."""
    wanted = {k for clip in clips for k in range(clip.start_frame, clip.end_frame)}
    found: dict[int, NDArray[np.float32]] = {}
    with file.local() as path, PointsFinder(models, clips[0].fps) as finder:
        for number, frame in enumerate(read_frames(path)):
            if number in wanted:
                found[number] = finder.points(frame)
            if len(found) == len(wanted):
                return found
        raise ArchiveError(path, "ended too early", expected=f"{max(wanted) + 1} frames")
