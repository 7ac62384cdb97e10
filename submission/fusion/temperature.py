"""Temperatures around a fusion rule: how sure the members and their fusion are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from submission.fusion.blend import apply_temperature, apply_temperatures
from submission.fusion.rules.rule import Fit, Rule

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

    # In log t, where half and double are equally far from 1.
    result = minimize_scalar(
        lambda log_t: log_loss(apply_temperature(p, math.exp(log_t)), label),
        bounds=tuple(math.log(t) for t in TEMPERATURES),
        method="bounded",
    )
    return math.exp(result.x)


def fit_with_temperature(
    rule: Rule, temperature: Temperature, names: Sequence[str], p: NDArray[np.float64],
    label: NDArray[np.int64],
) -> Fit:  # fmt: skip
    """Fit temperatures and `rule`: members first, then the rule on them, then the result.

    Args:
        rule: How to weigh the members.
        temperature: Where to fit temperatures.
        names: The members, sorted.
        p: Probabilities of the members in that order, (M, N, K).
        label: Class of each clip, (N,).
    """
    before = None
    if temperature in {"before", "both"}:
        before = np.array([fit_temperature(member, label) for member in p])
        p = apply_temperatures(p, before)
    blend, evaluations = rule.fit(names, p, label)
    after = fit_temperature(blend(p), label) if temperature in {"after", "both"} else 1.0
    return Fit(replace(blend, before=before, after=after), evaluations)
