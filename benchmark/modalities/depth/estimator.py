"""Frames of a clip in, relative inverse depth out: the backends behind one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, assert_never

from benchmark.modalities.specs import DepthAnythingBackend, TinyBackend, VideoDepthAnythingBackend

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from benchmark.modalities.specs import DepthBackend

    Frame: TypeAlias = NDArray[np.uint8]
    Map: TypeAlias = NDArray[np.float32]


class DepthEstimator(Protocol):
    """Finds the depth of one clip: frames uint8 (H, W, 3) in, in order.

    Out comes one map a frame, in order: float32 (H, W) of relative inverse depth, larger where
    nearer. Its scale is the backend's.
    """

    def add(self, frame: Frame) -> Sequence[Map]:
        """Take the next frame; the maps that are finished by it."""
        ...

    def finish(self) -> Sequence[Map]:
        """The rest, after the last frame."""
        ...


def depth_estimator(backend: DepthBackend) -> DepthEstimator:
    """Ready for the first frame of a clip.

    Raises:
        ArchiveError: A file of weights is missing, damaged or not the pinned one.
        FormatError: The network of stage `tiny_depth` is missing or damaged.
        MissingExtra: The package behind the backend is not installed.
    """
    match backend:
        case TinyBackend():
            from benchmark.modalities.depth.tiny import TinyDepthEstimator

            return TinyDepthEstimator(backend)
        case DepthAnythingBackend():
            from benchmark.modalities.depth.depth_anything import DepthAnythingEstimator

            return DepthAnythingEstimator(backend)
        case VideoDepthAnythingBackend():
            from benchmark.modalities.depth.video_depth_anything import VideoDepthAnythingEstimator

            return VideoDepthAnythingEstimator(backend)
        case _:
            assert_never(backend)
