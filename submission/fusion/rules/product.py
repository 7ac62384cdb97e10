"""Product: the probabilities of classes times those of the groups that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.core.errors import FormatError
from submission.fusion.blend import Blend, GroupPower
from submission.fusion.rules.rule import Fit, Rule, uniform_weights

STRONGEST = 4.0
"""Largest strength that a fit tries."""


class Product(Rule):
    """Equal weights; then each class times a power of its group's probability.

    A class whose whole group is likely gains on one that is likely alone.

    Source: the product of experts of the first of MAC 2026: log p_fine + strength log p_group.
    """

    kind: Literal["product"]
    groups: dict[str, tuple[Annotated[int, Field(ge=0)], ...]] = Field(min_length=2)
    """Group -> class indices, every class in exactly one, as in the file of the edition."""
    strength: Annotated[float, Field(ge=0, le=STRONGEST)] | None
    """Power of the group's probability; null for the one of least log-loss."""

    def fit(self, names: Sequence[str], p: NDArray[np.float64], label: NDArray[np.int64]) -> Fit:
        """Fit the strength, unless it is given.

        Raises:
            FormatError: The groups do not hold every class exactly once.
        """
        listed = sorted(k for classes in self.groups.values() for k in classes)
        if listed != [*range(p.shape[2])]:
            where, wanted = "rule product", f"each of 0 to {p.shape[2] - 1} once"
            raise FormatError(where, "its groups are not of these classes", expected=wanted)
        group = np.zeros(len(listed), np.int64)
        for number, classes in enumerate(self.groups.values()):
            group[[*classes]] = number
        power = GroupPower(group, self.strength or 0.0)
        blend, evaluations = Blend(uniform_weights(len(names)), groups=power), 0
        if self.strength is None:
            from scipy.optimize import minimize_scalar

            from benchmark.evaluation.metrics import log_loss

            def worth(strength: float) -> float:
                tried = replace(blend, groups=replace(power, strength=strength))
                return log_loss(tried(p), label)

            found = minimize_scalar(worth, bounds=(0, STRONGEST), method="bounded")
            strength = float(found.x)  # pyright: ignore[reportAttributeAccessIssue] - stubs
            blend = replace(blend, groups=replace(power, strength=strength))
            evaluations = 1
        return Fit(blend, evaluations)
