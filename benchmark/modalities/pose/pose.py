"""Pose: keypoints found in the raw videos, for archives without any; stored like given ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.modalities.modality import ModalityBase

if TYPE_CHECKING:
    from benchmark.archives.raw_files import RawFile
    from benchmark.contracts.clips import Clip
    from benchmark.modalities.packing import PackingJob
    from benchmark.modalities.pose.mediapipe_points import PoseModels


class PoseModality(ModalityBase):
    """Keypoints found in the raw videos by MediaPipe (docs/skeletons-from-video.md)."""

    kind: Literal["pose"]
    content: ClassVar = "keypoints"
    layout: Literal["openpose36"]
    """Which of the 137 points that are found are kept."""
    pose: str
    """Path of the pose model; the three files are yours, the harness ships none."""
    hands: str | None
    """Path of the hand model; null for no hands."""
    face: str | None
    """Path of the face model; null for no face."""

    def models(self) -> PoseModels:
        from benchmark.modalities.pose.mediapipe_points import PoseModels

        hands, face = (Path(name) if name else None for name in (self.hands, self.face))
        return PoseModels(Path(self.pose), hands, face)

    def pack(self, job: PackingJob) -> list[str]:
        from benchmark.archives.union import open_archive
        from benchmark.contracts.skeletons import choose
        from benchmark.modalities.keypoint_packing import pack_keypoints
        from benchmark.modalities.packing import stamps_of
        from benchmark.modalities.pose.mediapipe_points import KeypointEstimator, model_hashes

        models = self.models()
        with KeypointEstimator(models, fps=25):
            pass  # report a missing package or a damaged model once, not once per video
        files = open_archive(job.raw, job.edition).needed_video_files()
        # The models are part of what was made: others find other points.
        config = json.dumps({**self.model_dump(), "models": model_hashes(models)})
        of_video = partial(_of_video, files=files, models=models)
        job, points = replace(job, config=config), choose(self.layout, None)
        return pack_keypoints(job, points, of_video, stamps_of(files))


def _of_video(
    clips: list[Clip], *, files: dict[str, RawFile], models: PoseModels
) -> Iterator[tuple[Clip, NDArray[np.float32]]]:
    """Yield each clip of one video with its (T, 137, 3), tracked from first to last clip."""
    from benchmark.contracts.clips import frame_numbers
    from benchmark.core.video import frames_at
    from benchmark.modalities.pose.mediapipe_points import KeypointEstimator

    file = files[clips[0].video]
    with file.local() as path, KeypointEstimator(models, clips[0].fps) as estimator:
        frames = frames_at(path, frame_numbers(clips))
        points = {number: estimator.points(frame) for number, frame in frames}
    for clip in clips:
        yield clip, np.stack([points[k] for k in range(clip.start_frame, clip.end_frame)])
