"""Graph networks of mmaction2 over the points of a skeleton: ST-GCN++, AGCN and AAGCN.

Its CTR-GCN is not in the installed package, only in the `projects` folder of the repository.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from benchmark.core.schema import Positive, Share
from benchmark.data.inputs import GraphInput, Input
from benchmark.models.backbone import BackboneSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from benchmark.data.skeleton_graph import SkeletonGraph
    from benchmark.models.preprocessors import Preprocessor
    from benchmark.models.recognizer import Recognizer

CHANNELS = 3
"""Of a point: x, y, confidence."""
BRANCHES = 6
"""Temporal convolutions that share the channels of a block of ST-GCN++."""


class Graph(BackboneSpec):
    """Convolutions along the edges of the skeleton and over time."""

    kind: Literal["graph"]
    network: Literal["stgcnpp", "agcn", "aagcn"]
    """ST-GCN++ (Duan et al., 2022); AGCN (Shi et al., CVPR 2019), which adapts the graph to each
    clip; or AAGCN (Shi et al., TIP 2020), which also weights points, frames and channels."""
    base_channels: Positive
    """Channels of the first stage."""
    stages: Positive
    """Blocks."""
    inflate_stages: tuple[Positive, ...]
    """Blocks that double the channels, counted from 1."""
    down_stages: tuple[Positive, ...]
    """Blocks that halve the frames, counted from 1."""
    dropout: Share
    """Dropout before the last layer, in training."""

    @model_validator(mode="after")
    def _fits_together(self) -> Graph:
        for name in ("inflate_stages", "down_stages"):
            numbers = getattr(self, name)
            if any(not 2 <= number <= self.stages for number in numbers):
                raise ValueError(f"{name}: a number must be 2 to {self.stages}, the stages")
            if len({*numbers}) < len(numbers):
                raise ValueError(f"{name}: a number comes twice")
        if self.network == "stgcnpp" and self.base_channels < BRANCHES:
            raise ValueError(f"base_channels: ST-GCN++ shares them among {BRANCHES} branches")
        return self

    def faults(self, input_spec: Input) -> list[str]:
        if isinstance(input_spec, GraphInput):
            return []
        return [f"backbone: cannot take input '{input_spec.kind}', it needs input 'graph'"]

    @property
    def width(self) -> int:
        return self.base_channels * 2 ** len(self.inflate_stages)

    def build(
        self, preprocessor: Preprocessor, input_spec: Input, *, num_classes: int
    ) -> Recognizer:
        from benchmark.models.preprocessors import GraphPreprocessor
        from benchmark.models.recognizer import Head, Recognizer

        assert isinstance(preprocessor, GraphPreprocessor), "`faults` refuses any other input"
        backbone = self.layers(preprocessor.graph)
        return Recognizer(preprocessor, backbone, Head(self.width, num_classes, self.dropout))

    def layers(self, graph: SkeletonGraph) -> nn.Module:
        """Build the layers: (B, 1, T, J, 3) -> (B, width)."""
        from benchmark.models.mmaction_import import build_backbone

        inward = list(graph.inward)  # the library adds lists
        points = {"num_node": len(graph.parent), "inward": inward, "center": graph.center}
        arguments: dict[str, Any] = {
            "graph_cfg": {"layout": points, "mode": "spatial"}, "in_channels": CHANNELS,
            "base_channels": self.base_channels, "num_stages": self.stages,
            "inflate_stages": self.inflate_stages, "down_stages": self.down_stages,
            "num_person": 1,
        }  # fmt: skip
        match self.network:
            case "stgcnpp":
                own = {"gcn_adaptive": "init", "gcn_with_res": True, "tcn_type": "mstcn"}
                backbone = build_backbone("STGCN", arguments | own)
            case "agcn" | "aagcn":
                own = {"gcn_attention": self.network == "aagcn"}
                backbone = build_backbone("AAGCN", arguments | own)
        # A hook, because a wrapper module would put its name into every key of the saved weights.
        backbone.register_forward_hook(_pool)
        return backbone


def _pool(_: nn.Module, args: tuple[Tensor], out: Tensor) -> Tensor:
    """Average the features (B, 1, C, T, J) over time and points, as mmaction2's GCNHead."""
    return out.mean(dim=(1, 3, 4))
