"""Depth estimators: the frames of a clip in, relative inverse depth out."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Protocol, TypeAlias

from benchmark.core.schema import Strict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Frame: TypeAlias = NDArray[np.uint8]
    Map: TypeAlias = NDArray[np.float32]


class DepthEstimator(Protocol):
    """Estimates the depth of one clip: frames uint8 (H, W, 3) in, in order.

    Gives one map per frame, in order: float32 (H, W) of relative inverse depth, larger where
    nearer. Its scale is the backend's.
    """

    def add(self, frame: Frame) -> Sequence[Map]:
        """Take the next frame; return the maps that are finished by it."""
        ...

    def finish(self) -> Sequence[Map]:
        """Return the rest, after the last frame."""
        ...


class DepthBackendBase(Strict):
    """What every backend of depth has, besides its `kind`."""

    @abstractmethod
    def estimator(self) -> DepthEstimator:
        """Begin a clip.

        Raises:
            ArchiveError: A file of weights is missing, damaged or not the pinned one.
            FormatError: The network of stage `tiny_depth` is missing or damaged.
            MissingExtra: The package behind the backend is not installed.
        """

    def weights_digest(self) -> str | None:
        """Return the digest of weights that the spec itself does not pin; None if it pins them."""
        return None
