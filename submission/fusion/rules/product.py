"""Product: the probabilities of classes times those of the groups that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from numpy.typing import NDArray
from pydantic import Field

from benchmark.core.errors import FormatError
from submission.fusion.blend import Blend, GroupPower
from submission.fusion.rules.rule import Fit, Rule, uniform_weights

if TYPE_CHECKING:
    import numpy as np

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
        places = {k: number for number, row in enumerate(self.groups.values()) for k in row}
        group = tuple(places[k] for k in listed)

        def blend(strength: float) -> Blend:
            power = GroupPower(group=group, strength=strength)
            return Blend(uniform_weights(len(names)), groups=power)

        if self.strength is not None:
            return Fit(blend(self.strength), evaluations=0)
        from scipy.optimize import minimize_scalar

        from benchmark.evaluation.metrics import log_loss

        found = minimize_scalar(
            lambda strength: log_loss(blend(strength)(p), label),
            bounds=(0, STRONGEST), method="bounded",
        )  # fmt: skip
        strength = float(found.x)  # pyright: ignore[reportAttributeAccessIssue] - stubs
        return Fit(blend(strength), evaluations=1)
