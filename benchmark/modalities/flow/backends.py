"""The union of all backends that estimate flow."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from benchmark.modalities.flow.dis import DisFlow
from benchmark.modalities.flow.memflow import MemFlow
from benchmark.modalities.flow.raft import RaftFlow
from benchmark.modalities.flow.sparse_to_dense import SparseToDenseFlow

FlowBackend: TypeAlias = Annotated[
    DisFlow | SparseToDenseFlow | RaftFlow | MemFlow, Field(discriminator="kind")
]
