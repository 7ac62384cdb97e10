"""Relative inverse depth of every frame as gray, on one scale for the whole data set."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, assert_never

import numpy as np
from tqdm import tqdm

from benchmark.archives.union import open_archive
from benchmark.core.errors import ArchiveError
from benchmark.core.video import read_frames
from benchmark.modalities.depth.estimator import depth_estimator
from benchmark.modalities.packing import Places, pack, resized, shrunk
from benchmark.modalities.specs import FixedScale, SampledScale, TinyBackend
from benchmark.runtime.devices import network_workers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.archives.raw_files import RawFile
    from benchmark.contracts.clips import Clip, Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.packing import Frame
    from benchmark.modalities.specs import DepthModality

    Map: TypeAlias = NDArray[np.float32]

VALUES_A_FRAME = 997
"""Looked at for quantiles; a prime, so that they do not stand in columns."""


class Levels(NamedTuple):
    """What the gray values stand for."""

    low: float
    """Inverse depth at 0."""
    high: float
    """Inverse depth at 255."""


def prepare(
    spec: DepthModality, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
) -> None:
    """Find and pack the depth of every clip, as many frames as the clip has.

    Raises:
        ArchiveError: A file of weights is missing, damaged or not the pinned one, or its network
            sees nothing.
        MissingExtra: The package behind the backend is not installed.
        ManyFaults: Every raw video that cannot be decoded up to the end of its last clip.
    """
    depth_estimator(spec.backend)  # a damaged file is said once, not once a video
    match spec.scale:
        case FixedScale():
            levels = Levels(spec.scale.low, spec.scale.high)
        case SampledScale():
            levels = _sampled(spec, spec.scale, open_archive(raw, edition).video_files(), clips)
        case _:
            assert_never(spec.scale)
    knobs = json.dumps({**spec.model_dump(), "levels": levels._asdict(), "network": _network(spec)})
    places = Places(raw, edition, clips, out, knobs)
    workers = min(workers, network_workers())
    pack(spec, places, partial(DepthExtraction, spec, levels), workers=workers)


def _network(spec: DepthModality) -> str | None:
    """The digest of our own network; a foreign one is pinned in the spec."""
    if not isinstance(spec.backend, TinyBackend):
        return None
    from benchmark.modalities.depth.tiny import load

    return load(spec.backend.network).metadata.blake2b


class DepthExtraction:
    """One clip: frame t of the result is the depth of frame t."""

    def __init__(self, spec: DepthModality, levels: Levels) -> None:
        self._spec, self._levels = spec, levels
        self._estimator = depth_estimator(spec.backend)

    def add(self, frame: Frame) -> list[Frame]:
        """The frames that are finished by this one."""
        return self._render(self._estimator.add(shrunk(frame, self._spec.work_side)))

    def finish(self) -> list[Frame]:
        """What the estimator still owes."""
        return self._render(self._estimator.finish())

    def _render(self, maps: Sequence[Map]) -> list[Frame]:
        return [gray(resized(depth, self._spec.short_side), self._levels) for depth in maps]


def gray(depth: Map, levels: Levels) -> Frame:
    """Inverse depth (H, W) as three equal channels: uint8 (H, W, 3), clipped to the levels."""
    share = (depth - levels.low) / (levels.high - levels.low)
    return np.repeat(np.rint(share.clip(0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


def _sampled(
    spec: DepthModality, scale: SampledScale, files: dict[str, RawFile], clips: Clips
) -> Levels:
    """Quantiles of the depth of some training clips; the same clips, the same levels."""
    train = list(clips.split("train"))
    number = min(scale.clips, len(train))
    chosen = [train[k * len(train) // number] for k in range(number)]
    values = [
        depth.ravel()[::VALUES_A_FRAME]
        for clip in tqdm(chosen, desc="scale of depth", unit="clip", disable=None)
        for depth in _depth_of(spec, clip, files[clip.video])
    ]
    low, high = np.quantile(np.concatenate(values), [1 - scale.quantile, scale.quantile])
    if low == high:
        raise ArchiveError(
            f"depth backend {spec.backend.kind}", "gives the same depth everywhere",
            expected=f"another one for what is near in {number} clips", found=f"{low:g}",
        )  # fmt: skip
    return Levels(float(low), float(high))


def _depth_of(spec: DepthModality, clip: Clip, file: RawFile) -> list[Map]:
    estimator, found = depth_estimator(spec.backend), []
    with file.local() as path:
        for number, frame in enumerate(read_frames(path)):
            if number >= clip.end_frame:
                break
            if number >= clip.start_frame:
                found += estimator.add(shrunk(frame, spec.work_side))
    return [*found, *estimator.finish()]
