"""Depth: relative inverse depth of every frame as gray, on one scale for the whole data set."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from benchmark.core.errors import ArchiveError
from benchmark.core.schema import Positive, Strict
from benchmark.modalities.backends import DepthBackend
from benchmark.modalities.modality import VideoModality, extract

if TYPE_CHECKING:
    from benchmark.archives.raw_files import RawFile
    from benchmark.contracts.clips import Clip, Clips
    from benchmark.modalities.depth.depth_anything import Map
    from benchmark.modalities.modality import Frame, FrameExtractor
    from benchmark.modalities.packing import PackingJob

VALUES_PER_FRAME = 997
"""Every 997th value of a frame counts for the quantiles; a prime, so that they form no columns."""


class FixedScale(Strict):
    """Given: right for networks whose scale is known."""

    kind: Literal["fixed"]
    low: float
    """Inverse depth that becomes 0."""
    high: float
    """Inverse depth that becomes 255."""

    @model_validator(mode="after")
    def _goes_up(self) -> FixedScale:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class SampledScale(Strict):
    """Quantiles over some training clips, found before anything is stored."""

    kind: Literal["sampled"]
    clips: Positive
    """Training clips that are looked at, evenly spread over the index."""
    quantile: Annotated[float, Field(gt=0.5, le=1)]
    """Becomes 255; one minus it becomes 0."""


class DepthModality(VideoModality):
    """Relative inverse depth as gray: what is near is light."""

    kind: Literal["depth"]
    backend: DepthBackend
    """What finds the depth."""
    work_side: Positive
    """Shorter side in pixels of the frames that the backend is given."""
    scale: Annotated[FixedScale | SampledScale, Field(discriminator="kind")]
    """Inverse depth that 0 and 255 stand for, the same in the whole data set."""

    def extractor(self, *, side: int | None = None) -> DepthExtractor:
        from benchmark.core.resize import resized, shrunk

        at_work = partial(shrunk, short_side=self.work_side)
        resize = at_work if side is None else partial(resized, short_side=side)
        return DepthExtractor(self.backend.estimator(), resize)

    def viewer(self) -> Callable[[Any], Frame]:
        """Return what shows the depth of one video: on the fixed scale, or the first frame's."""
        levels = self.scale if isinstance(self.scale, FixedScale) else None

        def view(depth: Map) -> Frame:
            nonlocal levels
            if levels is None:
                low, high = float(depth.min()), float(depth.max())
                # A flat first frame would divide by 0.
                high = high if high > low else low + 1
                levels = FixedScale(kind="fixed", low=low, high=high)
            return gray(depth[..., 0], levels)

        return view

    def pack(self, job: PackingJob) -> list[str]:
        from benchmark.archives.union import open_archive
        from benchmark.modalities.packing import pack_videos
        from benchmark.runtime.parallel import network_workers

        self.backend.estimator()  # report a damaged file once, not once per video
        if isinstance(self.scale, FixedScale):
            levels = self.scale
        else:
            files = open_archive(job.raw, job.edition).needed_video_files()
            levels = _sampled_levels(self, files, job.clips)
        more = {
            "levels": levels.model_dump(exclude={"kind"}),
            "network": self.backend.weights_digest(),
        }
        config, workers = {**self.model_dump(), **more}, min(job.workers, network_workers())
        job = replace(job, config=json.dumps(config), workers=workers)
        render = partial(_rendered, short_side=self.short_side, levels=levels)
        return pack_videos(job, self._start, render=render)


class DepthExtractor:
    """Gives the inverse depth of each frame of one clip: float32 (H, W, 1)."""

    def __init__(self, estimator: FrameExtractor, resize: Callable[[Frame], Frame]) -> None:
        self._estimator, self._resize = estimator, resize

    def add(self, frame: Frame) -> Sequence[Map]:
        return [depth[..., None] for depth in self._estimator.add(self._resize(frame))]

    def finish(self) -> Sequence[Map]:
        return [depth[..., None] for depth in self._estimator.finish()]


def gray(depth: Map, levels: FixedScale) -> Frame:
    """Scale inverse depth (H, W) to three equal channels: uint8 (H, W, 3), clipped to levels."""
    share = (depth - levels.low) / (levels.high - levels.low)
    return np.repeat(np.rint(share.clip(0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)


def _rendered(depth: Map, *, short_side: int, levels: FixedScale) -> Frame:
    from benchmark.core.resize import resized

    return gray(resized(depth[..., 0], short_side), levels)


def _sampled_levels(spec: DepthModality, files: dict[str, RawFile], clips: Clips) -> FixedScale:
    """Compute quantiles of the depth of some training clips; the same clips give the same levels.

    Raises:
        ArchiveError: The network gives the same depth everywhere.
    """
    from tqdm import tqdm

    scale, train = spec.scale, list(clips.split("train"))
    assert isinstance(scale, SampledScale), "a fixed scale needs no clips"
    number = min(scale.clips, len(train))
    chosen = [train[k * len(train) // number] for k in range(number)]
    values = [
        depth.ravel()[::VALUES_PER_FRAME]
        for clip in tqdm(chosen, desc="scale of depth", unit="clip", disable=None)
        for depth in _depth_of(spec, clip, files[clip.video])
    ]
    low, high = np.quantile(np.concatenate(values), [1 - scale.quantile, scale.quantile])
    if low == high:
        raise ArchiveError(
            f"depth backend {spec.backend.kind}", "gives the same depth everywhere",
            expected=f"another one for what is near in {number} clips", found=f"{low:g}",
        )  # fmt: skip
    return FixedScale(kind="fixed", low=float(low), high=float(high))


def _depth_of(spec: DepthModality, clip: Clip, file: RawFile) -> list[Map]:
    from benchmark.core.video import frames_at

    with file.local() as path:
        numbered = frames_at(path, range(clip.start_frame, clip.end_frame))
        return list(extract(spec.extractor(), (frame for _, frame in numbered)))
