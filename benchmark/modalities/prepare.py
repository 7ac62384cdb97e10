"""Raw archives -> modality of clips: one folder a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from benchmark.modalities.specs import (
    DepthModality,
    FlowModality,
    PersonCropModality,
    PoseModality,
    RgbModality,
    SkeletonModality,
    TaylorModality,
)

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.specs import Modality


def prepare(
    spec: Modality, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
) -> None:
    """Make the modality of every clip under `raw` and store them in `out`, a folder.

    Bytes do not depend on `workers`.

    Raises:
        ManyFaults: Every raw file that is damaged or too short.
        ArchiveError: A file of weights or of a model is missing, damaged or not the pinned one.
        MissingExtra: A package that the spec asks for is not installed.
    """
    match spec:
        case SkeletonModality():
            from benchmark.modalities import skeleton

            skeleton.prepare(spec, raw, edition, clips, out, workers=workers)
        case PoseModality():
            from benchmark.modalities.pose import pose

            pose.prepare(spec, raw, edition, clips, out, workers=workers)
        case PersonCropModality():
            from benchmark.modalities import person_crop as person

            person.prepare(spec, raw, edition, clips, out, workers=workers)
        case RgbModality():
            from benchmark.modalities import rgb

            rgb.prepare(spec, raw, edition, clips, out, workers=workers)
        case TaylorModality():
            from benchmark.modalities import taylor

            taylor.prepare(spec, raw, edition, clips, out, workers=workers)
        case FlowModality():
            from benchmark.modalities.flow import flow

            flow.prepare(spec, raw, edition, clips, out, workers=workers)
        case DepthModality():
            from benchmark.modalities.depth import depth

            depth.prepare(spec, raw, edition, clips, out, workers=workers)
        case _:
            assert_never(spec)
