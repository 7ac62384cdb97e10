"""Frames of a clip in, flow between them out: the backends behind one protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, assert_never

from benchmark.modalities.specs import DisFlow, MemFlow, RaftFlow, SparseToDenseFlow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from benchmark.modalities.specs import FlowBackend

    Frame: TypeAlias = NDArray[np.uint8]
    Vectors: TypeAlias = NDArray[np.float32]
    PairFlow: TypeAlias = Callable[[Frame, Frame], Vectors]


class FlowEstimator(Protocol):
    """Finds the flow of one clip: frames uint8 (H, W, 3) in, in order.

    Out come as many flows as pairs of neighbours: float32 (H, W, 2), pixels to the next frame, x
    right, y down.
    """

    def add(self, frame: Frame) -> Sequence[Vectors]:
        """Take the next frame; the flows that are finished by it."""
        ...

    def finish(self) -> Sequence[Vectors]:
        """The rest, after the last frame."""
        ...


def flow_estimator(backend: FlowBackend) -> FlowEstimator:
    """Ready for the first frame of a clip.

    Raises:
        ArchiveError: A file of weights is missing, damaged or not the pinned one.
        MissingExtra: The package behind the backend is not installed.
    """
    match backend:
        case DisFlow():
            from benchmark.modalities.flow.dis import Dis

            return PairByPair(Dis(backend))
        case SparseToDenseFlow():
            from benchmark.modalities.flow.sparse_to_dense import sparse_to_dense

            return PairByPair(sparse_to_dense)
        case RaftFlow():
            from benchmark.modalities.flow.raft import Raft

            return PairByPair(Raft(backend))
        case MemFlow():
            from benchmark.modalities.flow.memflow import MemFlowEstimator

            return MemFlowEstimator(backend)
        case _:
            assert_never(backend)


class PairByPair:
    """A estimator that looks at two frames at a time."""

    def __init__(self, find: PairFlow) -> None:
        self._find = find
        self._before: Frame | None = None

    def add(self, frame: Frame) -> Sequence[Vectors]:
        """The flow to this frame; nothing for the first one."""
        before, self._before = self._before, frame
        return () if before is None else (self._find(before, frame),)

    def finish(self) -> Sequence[Vectors]:
        """Nothing is owed."""
        return ()
