"""Flow estimators: the frames of a clip in, the flow between them out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from benchmark.core.schema import Strict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.modalities.modality import Frame, FrameExtractor

    Vectors: TypeAlias = NDArray[np.float32]
    PairFlow: TypeAlias = Callable[[Frame, Frame], Vectors]


class FlowBackendBase(Strict):
    """What every backend of flow has, besides its `kind`."""

    is_network: ClassVar[bool] = False
    """Whether it computes on a device, which bounds the number of processes."""

    @abstractmethod
    def estimator(self) -> FrameExtractor:
        """Begin a clip: as many flows as pairs of neighbors.

        A flow is float32 (H, W, 2): pixels to the next frame, x right, y down.

        Raises:
            ArchiveError: A file of weights is missing, damaged or not the pinned one.
            MissingExtra: The package behind the backend is not installed.
        """


class PairByPair:
    """Estimates each flow from two frames alone."""

    def __init__(self, find: PairFlow) -> None:
        self._find = find
        self._before: Frame | None = None

    def add(self, frame: Frame) -> Sequence[Vectors]:
        """Take a frame; return the flow to it, and nothing for the first one."""
        before, self._before = self._before, frame
        return () if before is None else (self._find(before, frame),)

    def finish(self) -> Sequence[Vectors]:
        """Return nothing: each flow was finished when its second frame came."""
        return ()
