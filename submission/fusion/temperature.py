"""Temperatures: how sure members and their fusion are, fitted by least log-loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeAlias

from submission.fusion.blend import apply_temperature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Temperature: TypeAlias = Literal["none", "before", "after", "both"]
"""Where a temperature is fitted: to each member `before` the fusion, to the result `after` it."""

TEMPERATURES = (0.05, 20.0)
"""Least and largest temperature that a fit tries."""


def fit_temperature(p: NDArray[np.float64], label: NDArray[np.int64]) -> float:
    """Find the temperature of least log-loss for probabilities (N, K) of clips with `label` (N,).

    All classes share the one number, so a class without a clip keeps its rank.
    """
    from scipy.optimize import minimize_scalar

    from benchmark.evaluation.metrics import log_loss

    result = minimize_scalar(
        lambda log_t: log_loss(apply_temperature(p, math.exp(log_t)), label),
        bounds=tuple(math.log(t) for t in TEMPERATURES),
        method="bounded",
    )
    return math.exp(result.x)
