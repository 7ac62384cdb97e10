"""The knobs of the tiny depth network; without torch and outside `models`, for params.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from benchmark.core.schema import Strict
from benchmark.modalities.depth.estimator import DepthBackendBase

if TYPE_CHECKING:
    from benchmark.modalities.depth.tiny import TinyDepthEstimator

_Positive = Annotated[int, Field(gt=0)]


class TinyDepthSpec(Strict):
    """A depth network trained on generated people, and how it is trained."""

    seed: Annotated[int, Field(ge=0)]
    """Everything random follows from it: takes, initial weights, order of the batches."""
    height: Annotated[int, Field(ge=32, multiple_of=2)]
    """Lines of the network's input, in training and after; frames are brought to it."""
    width: Annotated[int, Field(ge=32, multiple_of=2)]
    """Columns of the input in training; after it they follow from a frame's own shape."""
    channels: tuple[_Positive, _Positive, _Positive, _Positive]
    """Channels at 1/2, 1/4, 1/8 and 1/16 of the input."""
    takes: _Positive
    """Short scenes that are filmed to train on: each a train person in a new place and clothes."""
    frames_per_take: _Positive
    """Frames used of each."""
    steps: _Positive
    """Optimizer steps."""
    batch_size: _Positive
    """Frames in each."""
    lr: Annotated[float, Field(gt=0)]
    """Highest learning rate of AdamW; it falls to 0 along a cosine."""
    edge_weight: Annotated[float, Field(ge=0)]
    """Weight of the loss on depth differences between neighbours, which keeps outlines sharp."""
    backdrop_metres: Annotated[float, Field(gt=0)]
    """How far behind the person the backdrop counts; it is a picture without a place of its own."""
    threads: _Positive
    """CPU threads in training; the weights' last bits depend on their number."""


class TinyBackend(DepthBackendBase):
    """The network of stage `tiny_depth`: knows generated people and nothing else."""

    kind: Literal["tiny"]
    network: str
    """Folder that the stage writes."""

    def estimator(self) -> TinyDepthEstimator:
        """Begin a clip; see `DepthBackendBase.estimator`."""
        from benchmark.modalities.depth.tiny import TinyDepthEstimator

        return TinyDepthEstimator(self)

    def weights_digest(self) -> str:
        """Return the digest of the network's weights: the spec names only its folder."""
        from benchmark.modalities.depth.tiny import load

        return load(self.network).metadata.blake2b
