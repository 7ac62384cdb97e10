"""Optical flow of each frame to the next, stored so that its strength survives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmark.core.schema import AboveZero, Positive
from benchmark.modalities.backends import FlowBackend
from benchmark.modalities.modality import NO_MOTION, VideoModality

if TYPE_CHECKING:
    from benchmark.modalities.flow.estimator import Vectors
    from benchmark.modalities.modality import Frame, FrameExtractor
    from benchmark.modalities.packing import PackingJob


class FlowModality(VideoModality):
    """Optical flow of each frame to the next; the last frame repeats the one before."""

    kind: Literal["flow"]
    backend: FlowBackend
    """What finds the flow."""
    work_side: Positive
    """Shorter side in pixels at which flow is found, before it is stored smaller."""
    rendering: Literal["components", "wheel"]
    """components: x and y in two channels, 128 is no motion, one scale for the data set, so that
    strength survives. wheel: the color wheel of MM-Gesture, each frame by its own maximum."""
    limit: AboveZero
    """Pixels at `work_side` that the components reach; faster motion is clipped to it."""

    @property
    def no_motion(self) -> int | None:
        return NO_MOTION if self.rendering == "components" else None

    def extractor(self, *, side: int | None = None) -> FlowExtractor:
        from benchmark.core.resize import resized, shrunk

        at_work = partial(shrunk, short_side=self.work_side)
        resize = at_work if side is None else partial(resized, short_side=side)
        return FlowExtractor(self.backend.estimator(), resize)

    def render(self, values: Vectors) -> Frame:
        """Turn the flow of a frame into the frame that is stored: uint8 (H, W, 3).

        Raises:
            FloatingPointError: The flow is not finite.
        """
        from benchmark.core.resize import resized

        if not np.isfinite(values).all():
            raise FloatingPointError(f"flow of {self.backend.kind} is not finite")
        # Resized without scaling the vectors: `limit` is in pixels at `work_side`.
        flow = resized(values, self.short_side)
        match self.rendering:
            case "components":
                return components(flow, self.limit)
            case "wheel":
                return wheel(flow)

    def show(self, stored: Frame) -> Frame:
        """Color stored components by direction; a stored color wheel is shown as it is."""
        from benchmark.plots.modalities import SATURATED_PX, flow_picture

        if self.rendering == "wheel":
            return stored
        return flow_picture(vectors(stored, self.limit), SATURATED_PX)

    def viewer(self) -> Callable[[Any], Frame]:
        from benchmark.plots.modalities import SATURATED_PX, flow_picture

        return partial(flow_picture, limit=SATURATED_PX)

    def pack(self, job: PackingJob) -> list[str]:
        from benchmark.runtime.parallel import network_workers

        self.backend.estimator()  # report a damaged file once, not once per video
        if self.backend.is_network:
            job = replace(job, workers=min(job.workers, network_workers()))
        return super().pack(job)


class FlowExtractor:
    """Gives for frame t the flow from t to t + 1, float32 (H, W, 2); the last frame repeats one.

    A clip of one frame does not move.
    """

    def __init__(self, estimator: FrameExtractor, resize: Callable[[Frame], Frame]) -> None:
        self._estimator, self._resize = estimator, resize
        self._shape: tuple[int, ...] = ()
        self._last: Vectors | None = None

    def add(self, frame: Frame) -> Sequence[Vectors]:
        """Take a frame; return the flows that are finished by it, none for the first one."""
        frame = self._resize(frame)
        self._shape = frame.shape[:2]
        return self._keep_last(self._estimator.add(frame))

    def finish(self) -> Sequence[Vectors]:
        """Return what the estimator still owes, and the last flow once more."""
        rest = self._keep_last(self._estimator.finish())
        last = np.zeros((*self._shape, 2), np.float32) if self._last is None else self._last
        return (*rest, last)

    def _keep_last(self, flows: Sequence[Vectors]) -> Sequence[Vectors]:
        self._last = flows[-1] if flows else self._last
        return flows


def components(flow: Vectors, limit: float) -> Frame:
    """Store x and y in two channels: uint8 (H, W, 3), `NO_MOTION` plus 127 at `limit` pixels.

    The third channel is `NO_MOTION` everywhere.
    """
    picture = np.full((*flow.shape[:2], 3), NO_MOTION, np.uint8)
    scaled = np.rint(NO_MOTION + flow * (127 / limit))
    # 1 to 255, not 0: the scale is symmetric around NO_MOTION, so that a mirror is exact.
    picture[..., :2] = scaled.clip(NO_MOTION - 127, NO_MOTION + 127)
    return picture


def vectors(picture: Frame, limit: float) -> Vectors:
    """Read back the flow in pixels that `components` stored: float32 (H, W, 2)."""
    return (picture[..., :2].astype(np.float32) - NO_MOTION) * np.float32(limit / 127)


def wheel(flow: Vectors) -> Frame:
    """Color by direction (Middlebury), the fastest pixel fully saturated: uint8 (H, W, 3) RGB."""
    import torch
    from torchvision.utils import flow_to_image

    picture = flow_to_image(torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1))))
    return picture.permute(1, 2, 0).contiguous().numpy()
