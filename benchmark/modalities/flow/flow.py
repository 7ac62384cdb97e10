"""Optical flow of each frame to the next, stored so that its strength survives."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from benchmark.data.flow_components import components
from benchmark.modalities.flow.estimator import flow_estimator
from benchmark.modalities.packing import Places, pack, resized, shrunk
from benchmark.modalities.specs import MemFlow, RaftFlow
from benchmark.runtime.devices import network_workers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.packing import Frame
    from benchmark.modalities.specs import FlowModality

    Vectors: TypeAlias = NDArray[np.float32]


def prepare(
    spec: FlowModality, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
) -> None:
    """Find and pack the flow of every clip, as many frames as the clip has.

    Raises:
        ArchiveError: A weights file is missing or damaged.
        ManyFaults: Every raw video that cannot be decoded up to the end of its last clip.
    """
    flow_estimator(spec.backend)  # a damaged file is said once, not once a video
    places = Places(raw, edition, clips, out, spec.model_dump_json())
    if isinstance(spec.backend, RaftFlow | MemFlow):
        workers = min(workers, network_workers())
    pack(spec, places, partial(FlowExtraction, spec), workers=workers)


class FlowExtraction:
    """One clip: frame t of the result is the flow from t to t + 1, the last repeats the one before.

    A clip of one frame does not move.
    """

    def __init__(self, spec: FlowModality) -> None:
        self._spec = spec
        self._estimator = flow_estimator(spec.backend)
        self._shape = (0, 0)
        self._last: Frame | None = None

    def add(self, frame: Frame) -> list[Frame]:
        """The flows that are finished by this frame; none by the first one."""
        frame = shrunk(frame, self._spec.work_side)
        self._shape = frame.shape[:2]
        return self._take(self._estimator.add(frame))

    def finish(self) -> list[Frame]:
        """What the estimator still owes, and the last flow once more."""
        found = self._take(self._estimator.finish())
        if self._last is None:
            self._last = self._render(np.zeros((*self._shape, 2), np.float32))
        return [*found, self._last]

    def _take(self, flows: Sequence[Vectors]) -> list[Frame]:
        found = [self._render(flow) for flow in flows]
        self._last = found[-1] if found else self._last
        return found

    def _render(self, flow: Vectors) -> Frame:
        if not np.isfinite(flow).all():
            raise FloatingPointError(f"flow of {self._spec.backend.kind} is not finite")
        flow = resized(flow, self._spec.short_side)
        match self._spec.rendering:
            case "components":
                return components(flow, self._spec.limit)
            case "wheel":
                return wheel(flow)


def wheel(flow: Vectors) -> Frame:
    """Middlebury's colors, the frame's fastest pixel fully saturated: uint8 (H, W, 3) RGB."""
    import torch
    from torchvision.utils import flow_to_image

    picture = flow_to_image(torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1))))
    return picture.permute(1, 2, 0).contiguous().numpy()
