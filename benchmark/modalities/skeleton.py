"""Skeletons: the keypoints that come with the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from benchmark.modalities.modality import ModalityBase

if TYPE_CHECKING:
    from benchmark.modalities.packing import PackingJob


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

    def pack(self, job: PackingJob) -> list[str]:
        # Every raw file is read once; its clips are cut out of it.
        from benchmark.contracts.skeletons import choose
        from benchmark.modalities.keypoint_packing import given_keypoints, pack_keypoints

        source = given_keypoints(job.raw, job.edition, hint=HINT)
        points = choose(self.layout, source.own_layout)
        return pack_keypoints(job, points, source.of_video, source.stamps)


HINT = ", or find them in the videos: a modality of kind 'pose' (docs/skeletons-from-video.md)"
