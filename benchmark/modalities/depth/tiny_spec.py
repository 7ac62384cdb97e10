"""Parameters of the tiny depth network; apart from it, so that reading them loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, StringConstraints

from benchmark.core.pinned_file import sha256
from benchmark.core.schema import AboveZero, NotNegative, Positive, Seed, Strict
from benchmark.modalities.depth.depth_anything import DepthBackendBase

if TYPE_CHECKING:
    from benchmark.modalities.depth.tiny import TinyDepthEstimator


class TinyDepthSpec(Strict):
    """A depth network, and how it is trained on generated people."""

    seed: Seed
    """Seed of every random choice: takes, initial weights, order of the batches."""
    height: Annotated[int, Field(ge=32, multiple_of=2)]
    """Height of the network's input in pixels; frames are resized to it, in training and after."""
    width: Annotated[int, Field(ge=32, multiple_of=2)]
    """Width of the input in training, in pixels; later it follows from a frame's own shape."""
    channels: tuple[Positive, Positive, Positive, Positive]
    """Channels at 1/2, 1/4, 1/8 and 1/16 of the input."""
    takes: Positive
    """Short videos filmed to train on: each shows a train person in a new place and new clothes."""
    frames_per_take: Positive
    """Frames used per take."""
    steps: Positive
    """Optimizer steps."""
    batch_size: Positive
    """Frames per step."""
    lr: AboveZero
    """Highest learning rate of AdamW; it rises during warmup, then falls to 0 along a cosine."""
    edge_weight: NotNegative
    """Weight of the loss on depth differences between neighbors, which keeps outlines sharp."""
    backdrop_metres: AboveZero
    """Assumed distance of the backdrop, a picture without depth, behind the person."""
    threads: Positive
    """CPU threads in training; the weights' last bits depend on it, as it splits sums."""


class TinyBackend(DepthBackendBase):
    """A network of the zoo: knows generated people and nothing else."""

    kind: Literal["tiny"]
    network: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    """Name of its card in benchmark/weights/zoo."""

    @property
    def card(self) -> Path:
        """Path of the card; the weights lie beside it."""
        from benchmark.core.half_precision import ZOO

        return ZOO / f"{self.network}.json"

    def shipped_files(self) -> tuple[Path, ...]:
        """Return the files of the package that the result depends on, beside its code."""
        return (self.card.with_suffix(".safetensors"),)

    def estimator(self) -> TinyDepthEstimator:
        from benchmark.modalities.depth.tiny import TinyDepthEstimator

        return TinyDepthEstimator(self)

    def weights_digest(self) -> str:
        return sha256(self.card.with_suffix(".safetensors"))
