"""Skeletons: the keypoints that come with the archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from benchmark.modalities.modality import ModalityBase

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition


class SkeletonModality(ModalityBase):
    """Keypoints of every clip as one array."""

    kind: Literal["skeleton"]
    content: ClassVar = "keypoints"
    layout: Literal["openpose36", "own"]
    """Which points of the raw file are kept and how they are joined: MM-Gesture's 36 of OpenPose's
    137, or the archive's own (data set `folder`)."""

    @property
    def needs_points(self) -> bool:
        return True

    def with_own_points(self) -> Self:
        return self.model_copy(update={"layout": "own"})

    def prepare(
        self, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
    ) -> None:
        # Every raw file is read once; its clips are cut out of it.
        from benchmark.contracts.skeletons import choose
        from benchmark.modalities import shards
        from benchmark.modalities.keypoint_packing import given_keypoints, pack_keypoints
        from benchmark.modalities.packing import PackingJob

        source = given_keypoints(raw, edition, hint=HINT)
        points = choose(self.layout, source.own_layout)
        job = PackingJob(self, raw, edition, clips, out, self.model_dump_json())
        work = shards.work_folder(out)
        names = pack_keypoints(work, job, points, source.of_video, source.stamps, workers=workers)
        shards.finish(work, out, names)


HINT = ", or find them in the videos: a modality of kind 'pose' (docs/skeletons-from-video.md)"
