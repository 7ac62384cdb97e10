"""Fits every fusion rule on labeled clips. Nothing here knows of splits, files or clip ids.

Legend: M members, N clips, K classes; p float64 (M, N, K), label int64 (N,).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, assert_never

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import softmax
from sklearn.metrics import f1_score

from benchmark.evaluation.metrics import PROBABILITY_FLOOR, log_loss
from submission.fusion.blend import Blend, Stack, apply_temperature, stack_features, weighted_mean
from submission.fusion.spec import (
    Convex,
    Fixed,
    FusedMetric,
    FusionRule,
    Geometric,
    Greedy,
    Search,
    Stacking,
    Temperature,
    Uniform,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Weights: TypeAlias = NDArray[np.float64]

TINY = 1e-6
"""A fitted weight below this is 0: a member that would never change an answer is left out."""
OPTIMALITY_GAP = 1e-6
"""Nats that the fitted weights may lie above the best ones on the simplex."""
MAX_STEPS = 10_000
"""Steps of expectation maximisation after SLSQP; most often none is needed."""
TEMPERATURES = (0.05, 20.0)
"""The range in which a temperature is looked for."""
TIE = 1e-3
"""Weight of the log-loss, in nats, beside a metric: it decides between equal ones."""


class Fit(NamedTuple):
    """A fitted rule and what it took."""

    blend: Blend
    evaluations: int
    """Weightings that were scored; 0 where there was nothing to fit."""


def fit(
    rule: FusionRule, temperature: Temperature, names: Sequence[str], p: Weights,
    label: NDArray[np.int64],
) -> Fit:  # fmt: skip
    """Fit `rule` with temperatures around it; `names` are the members', in the order of `p`."""
    before = None
    if temperature in {"before", "both"}:
        before = np.array([fit_temperature(one, label) for one in p])
        p = np.stack([apply_temperature(one, t) for one, t in zip(p, before, strict=True)])
    blend, evaluations = _fit(rule, names, p, label)
    after = fit_temperature(blend(p), label) if temperature in {"after", "both"} else 1.0
    whole = Blend(blend.weights, blend.geometric, before, after, blend.stack)
    return Fit(whole, evaluations)


def _fit(
    rule: FusionRule, names: Sequence[str], p: Weights, label: NDArray[np.int64]
) -> tuple[Blend, int]:
    uniform = np.full(len(p), 1 / len(p))
    blend, evaluations = Blend(uniform), 0
    match rule:
        case Uniform():
            pass
        case Geometric():
            blend = Blend(uniform, geometric=True)
        case Fixed(weights=weights):
            w = np.array([weights[name] for name in names], np.float64)
            blend = Blend(w / w.sum())
        case Convex(shrinkage=shrinkage):
            best, evaluations = _least_log_loss(_of_label(p, label))
            blend = Blend(_trimmed((1 - shrinkage) * best + shrinkage * uniform))
        case Greedy():
            blend, evaluations = Blend(_greedy(rule, p, label)), rule.rounds * len(p)
        case Search():
            w, evaluations = _search(rule, p, label)
            blend = Blend(w)
        case Stacking():
            blend, evaluations = Blend(uniform, stack=_stack(rule, p, label)), 1
        case _:
            assert_never(rule)
    return blend, evaluations


def _trimmed(w: Weights) -> Weights:
    w = np.where(w < TINY, 0, w)
    return w / w.sum()


def cost(metric: FusedMetric, label: NDArray[np.int64]) -> Callable[[Weights], float]:
    """What is made least: probabilities (N, K) -> one minus the metric, ties told by log-loss."""
    macro = {"labels": np.unique(label), "average": "macro", "zero_division": 0}

    def of(p: Weights) -> float:
        nats = log_loss(p, label)
        match metric:
            case "log_loss":
                return nats
            case "top1":
                return 1 - float(np.mean(p.argmax(axis=1) == label)) + TIE * nats
            case "macro_f1":
                answer = p.argmax(axis=1)
                return 1 - float(f1_score(label, answer, **macro)) + TIE * nats
            case _:
                assert_never(metric)

    return of


def _greedy(rule: Greedy, p: Weights, label: NDArray[np.int64]) -> Weights:
    """Counts of how often each member was taken, up to the best round, on the simplex."""
    of = cost(rule.metric, label)
    taken: list[int] = []
    total = np.zeros(p.shape[1:])
    costs = []
    for number in range(1, rule.rounds + 1):
        tried = [of((total + one) / number) for one in p]
        place = int(np.argmin(tried))  # of equal ones the first by name
        taken.append(place)
        costs.append(tried[place])
        total += p[place]
    best = int(np.argmin(costs)) + 1
    counts = np.bincount(taken[:best], minlength=len(p))
    return counts / counts.sum()


def _search(rule: Search, p: Weights, label: NDArray[np.int64]) -> tuple[Weights, int]:
    """CMA-ES over the logarithms of the weights, from equal ones.

    Source: Hansen, The CMA Evolution Strategy: A Tutorial, arXiv 1604.00772.
    """
    import cma

    of = cost(rule.metric, label)

    uniform = np.zeros(len(p))
    best, least = softmax(uniform), of(weighted_mean(p, softmax(uniform)))
    if len(p) == 1:
        return best, 1
    options = {"maxfevals": rule.evaluations, "seed": rule.seed, "verbose": -9}
    strategy = cma.CMAEvolutionStrategy(uniform, 1.0, options)
    evaluations = 1
    while not strategy.stop():
        asked = strategy.ask()
        costs = [of(weighted_mean(p, softmax(z))) for z in asked]
        strategy.tell(asked, costs)
        evaluations += len(asked)
        place = int(np.argmin(costs))
        if costs[place] < least:
            best, least = softmax(asked[place]), costs[place]
    return _trimmed(best), evaluations


def _stack(rule: Stacking, p: Weights, label: NDArray[np.int64]) -> Stack | None:
    """The regression; None where all clips are of one class, which tells nothing."""
    from sklearn.linear_model import LogisticRegression

    known = np.unique(label)
    if len(known) < 2:
        return None
    model = LogisticRegression(C=rule.c, max_iter=1000).fit(stack_features(p), label)
    coefficients, intercept = model.coef_, model.intercept_
    if len(known) == 2:  # scikit-learn keeps one row for two classes
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercept = np.concatenate([-intercept, intercept]) / 2
    return Stack(known.astype(np.int64), coefficients, intercept)


def fit_temperature(p: Weights, label: NDArray[np.int64]) -> float:
    """The temperature of least log-loss; one number for all classes, so absent ones keep rank."""
    found = minimize_scalar(
        lambda log_t: log_loss(apply_temperature(p, math.exp(log_t)), label),
        bounds=tuple(math.log(t) for t in TEMPERATURES),
        method="bounded",
    )
    return math.exp(found.x)


def _of_label(p: Weights, label: NDArray[np.int64]) -> Weights:
    """Each member's probability of the label, at least the floor: (M, N, K) -> (N, M)."""
    return np.maximum(p[:, np.arange(len(label)), label].T, PROBABILITY_FLOOR)


def _least_log_loss(q: Weights) -> tuple[Weights, int]:
    """The weights that minimize mean(-log(q @ w)) on the simplex, within `OPTIMALITY_GAP`.

    And how many weightings were tried; `q` (N, M) are the members' probabilities of the label.

    -log of an affine function is convex, so there is one minimum. SLSQP comes near it; its own
    word for success is no proof, so the duality gap is: with g = mean(q / (q @ w)), convexity
    gives loss(w) - loss(best) <= max(g) - 1. What gap is left is closed by expectation
    maximisation (w <- w * g), which stays on the simplex and never raises the loss.

    Source: the dual bound and the EM step for mixture proportions: Lindsay, The Geometry of
    Mixture Likelihoods, Annals of Statistics 11, 1983.
    """
    num_members = q.shape[1]
    start = np.full(num_members, 1 / num_members)
    result = minimize(
        lambda w: -np.log(q @ w).mean(),
        start,
        jac=lambda w: -_pull(q, w),
        method="SLSQP",
        bounds=[(0, 1)] * num_members,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    # A member at exactly 0 could not come back by EM, so each keeps a trace of uniform.
    w = 0.999_999 * np.clip(result.x, 0, 1) + 0.000_001 * start
    w /= w.sum()
    for step in range(MAX_STEPS):
        pull = _pull(q, w)
        if pull.max() - 1 <= OPTIMALITY_GAP:
            return w / w.sum(), int(result.nfev) + step
        w *= pull
    raise RuntimeError(f"fusion weights are not the best ones after {MAX_STEPS} steps")


def _pull(q: Weights, w: Weights) -> Weights:
    """Minus the gradient of the loss, (M,): how much each member wants more weight."""
    return (q / (q @ w)[:, None]).mean(axis=0)
