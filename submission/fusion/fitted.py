"""weights.json: a fitted fusion and what it is worth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from benchmark.core.files import write_text
from benchmark.core.pinned_file import Sha256
from benchmark.core.schema import Share, Strict, read_json
from submission.fusion.blend import Blend, Stack
from submission.fusion.spec import FusionRule, Temperature

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMAT = "fusion/3"

Degrees = Annotated[float, Field(gt=0)]


class Estimate(Strict):
    """What one way to fuse scores on the clips of the validation split."""

    top1: Share
    macro_f1: Share
    log_loss: Annotated[float, Field(ge=0)]
    """Nats."""


class StackParameters(Strict):
    """A regression: S known classes, and a row of coefficients for each."""

    classes: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=2)
    coefficients: tuple[tuple[float, ...], ...]
    """(S, M * K): members by name, then classes."""
    intercept: tuple[float, ...]

    @model_validator(mode="after")
    def _fits(self) -> StackParameters:
        if not len(self.classes) == len(self.coefficients) == len(self.intercept):
            raise ValueError("classes, coefficients and intercept differ in length")
        return self


class FittedFusion(Strict):
    """A rule, what it gave, and what that is worth."""

    format: Literal["fusion/3"]
    edition: str
    rule: FusionRule
    temperature: Temperature
    weights: dict[str, Share]
    """Member -> its weight; they sum to 1."""
    mean: Literal["arithmetic", "geometric"]
    before: dict[str, Degrees] | None
    """Temperature of each member; null for none."""
    after: Degrees
    """Temperature of the result; 1 changes nothing."""
    stack: StackParameters | None
    fitted_on: Literal["val", "oof"]
    """Validation, or train and val with every clip predicted by models that had not seen it."""
    num_clips: Annotated[int, Field(gt=0)]
    num_videos: Annotated[int, Field(gt=0)]
    absent: tuple[int, ...]
    """Classes without a clip there: no rule can learn anything of them."""
    evaluations: Annotated[int, Field(ge=0)]
    """Weightings that the fit has tried."""
    uniform: Estimate
    """Before: equal weights."""
    fitted: Estimate
    """After, scored on the clips that it was fitted on, so it flatters."""
    nested: Estimate
    """Each video scored by a fit on all other videos: the honest one of the three."""
    test_files: dict[str, Sha256]
    """Member -> SHA-256 of its probabilities of test; empty where no stage has fused files."""

    def blend(self) -> Blend:
        """What it does to its members, in the order of their names."""
        names = sorted(self.weights)
        stack = self.stack
        return Blend(
            weights=np.array([self.weights[name] for name in names]),
            geometric=self.mean == "geometric",
            before=None if self.before is None else np.array([self.before[n] for n in names]),
            after=self.after,
            stack=None
            if stack is None
            else Stack(
                np.array(stack.classes), np.array(stack.coefficients), np.array(stack.intercept)
            ),
        )


def parameters_of(blend: Blend, names: Sequence[str]) -> dict[str, object]:
    """The fields of `FittedFusion` that say what a blend of `names`, sorted, does."""
    before, stack = blend.before, blend.stack
    return {
        "weights": dict(zip(names, blend.weights.tolist(), strict=True)),
        "mean": "geometric" if blend.geometric else "arithmetic",
        "before": None if before is None else dict(zip(names, before.tolist(), strict=True)),
        "after": blend.after,
        "stack": None
        if stack is None
        else StackParameters(
            classes=tuple(stack.classes.tolist()),
            coefficients=tuple(map(tuple, stack.coefficients.tolist())),
            intercept=tuple(stack.intercept.tolist()),
        ),
    }


def write_fitted(fitted: FittedFusion, path: Path) -> None:
    """Write weights.json: sorted keys, equal contents give equal bytes."""
    write_text(path, json.dumps(fitted.model_dump(mode="json"), indent=2, sort_keys=True) + "\n")


def read_fitted(path: Path) -> FittedFusion:
    """Read weights.json.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    do = "Run 'dvc repro' for the stage that makes it"
    return read_json(path, FittedFusion, what="fitted weights", do=do)
