"""Optical flow of each frame to the next, stored so that its strength survives."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from benchmark.modalities.flow_backends import pair_flow, provenance
from benchmark.modalities.flow_components import components
from benchmark.modalities.packing import Places, pack, resized

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.clips import Clips
    from benchmark.editions import Edition
    from benchmark.media_params import FlowMedia
    from benchmark.modalities.packing import Frame

    Vectors: TypeAlias = NDArray[np.float32]


def prepare(
    spec: FlowMedia, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
) -> None:
    """Find and pack the flow of every clip, as many frames as the clip has.

    Raises:
        ArchiveError: A weights file is missing or damaged.
        ManyFaults: Every raw video that cannot be decoded up to the end of its last clip.
    """
    pair_flow(spec.backend)  # a damaged file is said once, not once a video
    places = Places(raw, edition, clips, out, provenance(spec))
    pack(spec, places, partial(FlowExtraction, spec), workers=workers)


class FlowExtraction:
    """One clip: frame t of the result is the flow from t to t + 1, the last repeats the one before.

    A clip of one frame does not move.
    """

    def __init__(self, spec: FlowMedia) -> None:
        self._spec = spec
        self._flow = pair_flow(spec.backend)
        self._before: Frame | None = None
        self._last: Frame | None = None

    def add(self, frame: Frame) -> tuple[Frame, ...]:
        """The flow to this frame; nothing for the first one."""
        small = min(frame.shape[:2]) > self._spec.work_side
        frame = resized(frame, self._spec.work_side) if small else frame
        before, self._before = self._before, frame
        if before is None:
            return ()
        self._last = self._render(self._flow(before, frame))
        return (self._last,)

    def finish(self) -> tuple[Frame, ...]:
        """The last flow once more."""
        if self._last is None and self._before is not None:
            height, width = self._before.shape[:2]
            self._last = self._render(np.zeros((height, width, 2), np.float32))
        return () if self._last is None else (self._last,)

    def _render(self, flow: Vectors) -> Frame:
        flow = resized(flow, self._spec.short_side)
        match self._spec.rendering:
            case "components":
                return components(flow, self._spec.limit)
            case "wheel":
                return wheel(flow)


def wheel(flow: Vectors) -> Frame:
    """Middlebury's colours, the frame's fastest pixel fully saturated: uint8 (H, W, 3) RGB."""
    import torch
    from torchvision.utils import flow_to_image

    picture = flow_to_image(torch.from_numpy(np.ascontiguousarray(flow.transpose(2, 0, 1))))
    return picture.permute(1, 2, 0).contiguous().numpy()
