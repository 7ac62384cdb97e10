"""Raw archives -> media of clips: one folder a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from benchmark.modalities.specs import (
    DepthMedia,
    FlowMedia,
    PersonMedia,
    PoseMedia,
    RgbMedia,
    SkeletonMedia,
    TaylorMedia,
)

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.specs import Media


def prepare(
    spec: Media, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
) -> None:
    """Make the media of every clip under `raw` and store them in `out`, a folder.

    Bytes do not depend on `workers`.

    Raises:
        ManyFaults: Every raw file that is damaged or too short.
        ArchiveError: A file of weights or of a model is missing, damaged or not the pinned one.
        MissingExtra: A package that the spec asks for is not installed.
    """
    match spec:
        case SkeletonMedia():
            from benchmark.modalities import skeleton

            skeleton.prepare(spec, raw, edition, clips, out, workers=workers)
        case PoseMedia():
            from benchmark.modalities.pose import pose

            pose.prepare(spec, raw, edition, clips, out, workers=workers)
        case PersonMedia():
            from benchmark.modalities import person_crop as person

            person.prepare(spec, raw, edition, clips, out, workers=workers)
        case RgbMedia():
            from benchmark.modalities import rgb

            rgb.prepare(spec, raw, edition, clips, out, workers=workers)
        case TaylorMedia():
            from benchmark.modalities import taylor

            taylor.prepare(spec, raw, edition, clips, out, workers=workers)
        case FlowMedia():
            from benchmark.modalities.flow import flow

            flow.prepare(spec, raw, edition, clips, out, workers=workers)
        case DepthMedia():
            from benchmark.modalities.depth import depth

            depth.prepare(spec, raw, edition, clips, out, workers=workers)
        case _:
            assert_never(spec)
