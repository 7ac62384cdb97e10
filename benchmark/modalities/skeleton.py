"""Keypoints that come with the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.contracts.skeletons import choose
from benchmark.modalities.keypoint_packing import given_keypoints, pack_keypoints
from benchmark.modalities.packing import Places

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.specs import SkeletonModality


def prepare(
    spec: SkeletonModality, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
) -> None:
    """Read every raw file once, keep the layout's points, cut at the clips.

    Raises:
        ArchiveError: The archive brings no keypoints.
        ManyFaults: Every file that is damaged, or shorter than a clip of its video.
        ParamsError: The archive's skeletons do not have this layout.
    """
    or_else = ", or find them in the videos: modality of kind 'pose' (docs/skeletons-from-video.md)"
    source = given_keypoints(raw, edition, or_else=or_else)
    points = choose(spec.layout, source.own_layout)
    places = Places(raw, edition, clips, out, spec.model_dump_json())
    pack_keypoints(
        places, points, source.of_video, source.stamps, number=spec.shards, workers=workers
    )
