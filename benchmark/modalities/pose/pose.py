"""Keypoints found in the raw videos, for archives that bring none; stored like given ones."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.archives.union import open_archive
from benchmark.contracts.skeletons import choose
from benchmark.core.errors import ArchiveError
from benchmark.core.video import read_frames
from benchmark.modalities.keypoint_packing import pack_keypoints
from benchmark.modalities.packing import Places
from benchmark.modalities.pose.mediapipe_points import PointsEstimator, PoseModels, model_hashes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmark.archives.raw_files import RawFile
    from benchmark.contracts.clips import Clip, Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.specs import PoseModality


def prepare(
    spec: PoseModality, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
) -> None:
    """Find the points of every frame of every clip, keep the layout's.

    Raises:
        ArchiveError: A model file is missing or damaged.
        MissingExtra: MediaPipe is not installed.
        ManyFaults: Every raw video that cannot be decoded up to the end of its last clip.
    """
    models = PoseModels(
        Path(spec.pose),
        Path(spec.hands) if spec.hands else None,
        Path(spec.face) if spec.face else None,
    )
    with PointsEstimator(models, fps=25):
        pass  # a missing package or a damaged model is said once, not once a video
    files = open_archive(raw, edition).video_files()
    # The models are part of what was made: others find other points.
    knobs = json.dumps({**spec.model_dump(), "models": model_hashes(models)})
    pack_keypoints(
        Places(raw, edition, clips, out, knobs),
        choose(spec.layout, None),
        partial(_of_video, files=files, models=models),
        lambda some: [files[name].stamp() for name in dict.fromkeys(c.video for c in some)],
        number=spec.shards,
        workers=workers,
    )


def _of_video(
    clips: list[Clip], *, files: dict[str, RawFile], models: PoseModels
) -> Iterator[tuple[Clip, NDArray[np.float32]]]:
    """Each clip of one video with its (T, 137, 3); tracked from the first clip to the last."""
    wanted = {k for clip in clips for k in range(clip.start_frame, clip.end_frame)}
    found: dict[int, NDArray[np.float32]] = {}
    file = files[clips[0].video]
    with file.local() as path, PointsEstimator(models, clips[0].fps) as estimator:
        for number, frame in enumerate(read_frames(path)):
            if number in wanted:
                found[number] = estimator.points(frame)
            if len(found) == len(wanted):
                break
        else:
            raise ArchiveError(path, "ended too early", expected=f"{max(wanted) + 1} frames")
    for clip in clips:
        yield clip, np.stack([found[k] for k in range(clip.start_frame, clip.end_frame)])
