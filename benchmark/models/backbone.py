"""What every backbone offers: a spec that checks its input and builds its network."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from benchmark.core.schema import Strict
from benchmark.data.inputs import FeaturesInput, GraphInput, Input, RgbPoseInput

if TYPE_CHECKING:
    from torch import Tensor, nn

    from benchmark.models.preprocessors import Preprocessor
    from benchmark.models.recognizer import Recognizer

Stride: TypeAlias = Literal[1, 2]
Inflate: TypeAlias = Literal[0, 1]


class BackboneSpec(Strict):
    """A network by the numbers of its layers.

    A backbone is one module with a class derived from this one, and its name in `union.py`.
    Reading params.yaml imports that module, so it imports torch inside its methods.
    """

    @property
    def options(self) -> int:
        """Networks side by side in one, each with a head; validation chooses one of them."""
        return 1

    def chosen(self, weights: dict[str, Tensor]) -> tuple[Self, dict[str, Tensor]]:
        """Keep of the weights, and of the spec, the network that validation has chosen."""
        return self, weights

    def faults(self, input_spec: Input) -> list[str]:
        """Describe what keeps the backbone from taking an input; empty if nothing does.

        A backbone with one pathway takes every input of one volume.
        """
        if isinstance(input_spec, RgbPoseInput):
            return [f"backbone: cannot take input '{input_spec.kind}', it has only one pathway"]
        if isinstance(input_spec, GraphInput | FeaturesInput):
            return [f"backbone: cannot take input '{input_spec.kind}', it needs a volume"]
        return []

    @abstractmethod
    def build(
        self, preprocessor: Preprocessor, input_spec: Input, *, num_classes: int
    ) -> Recognizer:
        """Build the network from scratch: volumes of `preprocessor` -> `num_classes` logits.

        Draws the weights from torch's global generator. The order of the draws is part of a
        result: the same seed must give the same weights.
        """


class OnePathway(BackboneSpec):
    """A network of mmaction2 with one pathway: its layers, then one head."""

    if TYPE_CHECKING:  # each network declares it, behind its other keys
        dropout: float

    @property
    @abstractmethod
    def width(self) -> int:
        """Channels of the features."""

    @abstractmethod
    def layers(self, in_channels: int) -> nn.Module:
        """Build the layers: (B, in_channels, T, H, W) -> (B, width, T', H', W')."""

    def build(
        self, preprocessor: Preprocessor, input_spec: Input, *, num_classes: int
    ) -> Recognizer:
        from benchmark.models.recognizer import Head, Recognizer

        head = Head(self.width, num_classes, self.dropout)  # drawn before the layers
        return Recognizer(preprocessor, self.layers(preprocessor.out_channels), head)
