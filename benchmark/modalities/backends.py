"""The unions of the backends that estimate flow and depth."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from benchmark.modalities.depth.depth_anything import (
    DepthAnythingBackend,
    VideoDepthAnythingBackend,
)
from benchmark.modalities.depth.tiny_spec import TinyBackend
from benchmark.modalities.flow.dis import DisFlow
from benchmark.modalities.flow.memflow import MemFlow
from benchmark.modalities.flow.raft import RaftFlow
from benchmark.modalities.flow.sparse_to_dense import SparseToDenseFlow

FlowBackend: TypeAlias = Annotated[
    DisFlow | SparseToDenseFlow | RaftFlow | MemFlow, Field(discriminator="kind")
]
DepthBackend: TypeAlias = Annotated[
    TinyBackend | DepthAnythingBackend | VideoDepthAnythingBackend, Field(discriminator="kind")
]
