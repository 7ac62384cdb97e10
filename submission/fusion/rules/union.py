"""The union of all fusion rules: `kind` in params.yaml and weights.json selects one of them."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from submission.fusion.rules.convex import Convex
from submission.fusion.rules.equal import Fixed, Geometric, Uniform
from submission.fusion.rules.greedy import Greedy
from submission.fusion.rules.product import Product
from submission.fusion.rules.reranker import Reranker
from submission.fusion.rules.search import Search
from submission.fusion.rules.stacking import Stacking

FusionRule: TypeAlias = Annotated[
    Uniform | Fixed | Geometric | Convex | Greedy | Search | Stacking | Reranker | Product,
    Field(discriminator="kind"),
]
