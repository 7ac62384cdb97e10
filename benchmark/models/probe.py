"""Probes: small classifiers of a frozen network's features, a grid of them trained at once."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from benchmark.core.schema import AboveZero, NotNegative, Positive, Share
from benchmark.data.inputs import FeaturesInput, Input
from benchmark.models.backbone import BackboneSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from benchmark.models.preprocessors import Preprocessor
    from benchmark.models.recognizer import Recognizer

PROBES = "cls_head.probes."
"""Beginning of the names of a probe's parameters; its number follows."""
BEST = "cls_head.best"


class ProbeSpec(BackboneSpec):
    """What every probe has.

    Each pair of factors is a probe of its own. All see the same features in each step and learn
    independently; the best on validation becomes the model.
    """

    lr_factors: tuple[AboveZero, ...] = Field(min_length=1)
    """Factors on the recipe's learning rate."""
    decay_factors: tuple[NotNegative, ...] = Field(min_length=1)
    """Factors on the recipe's weight decay."""
    dropout: Share
    """Dropout before the last layer, in training."""

    @property
    def options(self) -> int:
        return len(self.lr_factors) * len(self.decay_factors)

    def faults(self, input_spec: Input) -> list[str]:
        if isinstance(input_spec, FeaturesInput):
            return []
        return [f"backbone: cannot take input '{input_spec.kind}', it needs input 'features'"]

    def probe(self, width: int, num_classes: int) -> nn.Module:
        """Build one probe: (B, tokens, width) -> (B, 1, num_classes)."""
        raise NotImplementedError

    def build(
        self, preprocessor: Preprocessor, input_spec: Input, *, num_classes: int
    ) -> Recognizer:
        from benchmark.models.probe_layers import FeatureNorm, Probes
        from benchmark.models.recognizer import Recognizer

        width, pairs = preprocessor.out_channels, product(self.lr_factors, self.decay_factors)
        probes = Probes([self.probe(width, num_classes) for _ in range(self.options)])
        network = Recognizer(preprocessor, FeatureNorm(width, affine=False), probes)
        network.factors = {f"{PROBES}{number}.": pair for number, pair in enumerate(pairs)}
        return network

    def chosen(self, weights: dict[str, Tensor]) -> tuple[Self, dict[str, Tensor]]:
        best = int(weights[BEST])
        lr, decay = list(product(self.lr_factors, self.decay_factors))[best]
        kept = {}
        for name, x in weights.items():
            number, _, rest = name.removeprefix(PROBES).partition(".")
            if not name.startswith(PROBES):
                kept[name] = x
            elif int(number) == best:
                kept[f"{PROBES}0.{rest}"] = x
        kept[BEST] = weights[BEST] * 0
        factors = {"lr_factors": (lr,), "decay_factors": (decay,)}
        return self.model_copy(update=factors), kept


class LinearProbe(ProbeSpec):
    """One linear layer over the mean of the tokens."""

    kind: Literal["linear_probe"]

    def probe(self, width: int, num_classes: int) -> nn.Module:
        from benchmark.models.recognizer import Head

        return Head(width, num_classes, self.dropout)


class AttentiveProbe(ProbeSpec):
    """Self-attention blocks, then attention of one learned query, then one linear layer.

    Source: V-JEPA 2 (Assran et al., 2025), whose probe has three blocks and 16 heads.
    """

    kind: Literal["attentive_probe"]
    width: Positive
    """Channels of the probe: a linear layer in front brings the features to it."""
    num_heads: Positive
    """Heads of each attention."""
    blocks: Annotated[int, Field(ge=0)]
    """Self-attention blocks before the query."""

    @model_validator(mode="after")
    def _heads_fit(self) -> AttentiveProbe:
        if self.width % self.num_heads:
            raise ValueError(f"width must be a multiple of num_heads ({self.num_heads})")
        return self

    def probe(self, width: int, num_classes: int) -> nn.Module:
        from benchmark.models.probe_layers import AttentiveLayers

        return AttentiveLayers(self, width, num_classes)
