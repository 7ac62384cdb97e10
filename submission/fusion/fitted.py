"""weights.json: a fitted fusion and its worth on validation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat, model_validator

from benchmark.core.files import write_text
from benchmark.core.pinned_file import Sha256
from benchmark.core.schema import Share, Strict, read_json
from submission.fusion.blend import Blend, GroupPower, Rerank, Stack
from submission.fusion.rules.union import FusionRule
from submission.fusion.temperature import Temperature

FORMAT = "fusion/4"


class Estimate(Strict):
    """Scores of one fusion on the clips of the validation split."""

    top1: Share
    macro_f1: Share
    log_loss: Annotated[float, Field(ge=0)]
    """Nats."""


class BlendParameters(Strict):
    """A `Blend` as plain values."""

    weights: dict[str, Share]
    """Member -> its weight; they sum to 1."""
    mean: Literal["arithmetic", "geometric"]
    before: dict[str, PositiveFloat] | None
    """Member -> its temperature; null for none."""
    after: PositiveFloat
    """Temperature of the result; 1 changes nothing."""
    stack: Stack | None
    rerank: Rerank | None = Field(default=None, exclude_if=lambda part: part is None)
    """Of rule reranker; absent for others."""
    groups: GroupPower | None = Field(default=None, exclude_if=lambda part: part is None)
    """Of rule product; absent for others."""

    @model_validator(mode="after")
    def _sums_to_1(self) -> Self:
        if abs(sum(self.weights.values()) - 1) > 1e-6:
            raise ValueError(f"weights sum to {sum(self.weights.values()):g}, not to 1")
        return self

    def blend(self) -> Blend:
        """Build the function that fuses the members, in the order of their names."""
        # A fit stacks members by name; the file may list them in any order.
        names, geometric = sorted(self.weights), self.mean == "geometric"
        weights = np.array([self.weights[name] for name in names])
        before = None if self.before is None else np.array([self.before[n] for n in names])
        rest = (self.after, self.stack, self.rerank, self.groups)
        return Blend(weights, geometric, before, *rest)


class FittedFusion(BlendParameters):
    """A rule, the fusion that it fitted, and the worth of that."""

    format: Literal["fusion/4"]
    edition: str
    rule: FusionRule
    temperature: Temperature
    fitted_on: Literal["val", "oof", "any"]
    """Validation, or out of fold: train and val, every clip by models that never saw it; `any` are
    scores of other programs that name no split."""
    num_classes: Annotated[int, Field(gt=0)]
    num_clips: Annotated[int, Field(gt=0)]
    num_videos: Annotated[int, Field(gt=0)]
    absent: tuple[int, ...]
    """Classes without a clip in the fit: no rule can learn about them."""
    evaluations: Annotated[int, Field(ge=0)]
    """Weightings that the fit tried."""
    uniform: Estimate
    """Scores of equal weights."""
    fitted: Estimate
    """Scores of the fit on its own clips, so they flatter."""
    nested: Estimate | None
    """Scores with each video fused by a fit on all other videos: the honest ones of the three.
    Null where there is one video."""
    test_files: dict[str, Sha256]
    """Member -> hash of its probabilities of test; empty outside of stage `fuse`."""


def parameters_of(blend: Blend, names: Sequence[str]) -> dict[str, object]:
    """Return the fields of `BlendParameters` for a blend of `names`, sorted."""
    before = blend.before
    return {
        "weights": dict(zip(names, blend.weights.tolist(), strict=True)),
        "mean": "geometric" if blend.geometric else "arithmetic",
        "before": None if before is None else dict(zip(names, before.tolist(), strict=True)),
        "after": blend.after,
        "stack": blend.stack,
        "rerank": blend.rerank,
        "groups": blend.groups,
    }


def write_fitted(fitted: FittedFusion, path: Path) -> None:
    """Write weights.json with sorted keys, so equal contents give equal bytes."""
    write_text(path, json.dumps(fitted.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")


def read_fitted(path: Path) -> FittedFusion:
    """Read weights.json.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    do = "Run 'dvc repro' for the fusion that writes it"
    return read_json(path, FittedFusion, what="fitted weights", do=do)
