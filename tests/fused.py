"""Members of a fusion, made up: skill, noise and an order of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from benchmark.contracts.clips import Clips
from benchmark.contracts.labels import Labels, index_labels
from benchmark.contracts.predictions import Probabilities
from conftest import a_clip
from submission.fusion.fit import fit_fusion
from submission.fusion.rules.convex import Convex
from submission.fusion.rules.equal import Fixed, Geometric, Uniform
from submission.fusion.rules.greedy import Greedy
from submission.fusion.rules.product import Product
from submission.fusion.rules.reranker import Reranker
from submission.fusion.rules.search import Search
from submission.fusion.rules.stacking import Stacking
from submission.fusion.rules.union import FusionRule

PROPERTY = settings(max_examples=20, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**32 - 1)
CLASSES = tuple("abcdef")
GROUPS = {"one": (0, 3, 4), "two": (5, 1, 2)}
CONVEX = Convex(kind="convex", shrinkage=0.0)
KINDS = (
    "uniform", "fixed", "geometric", "convex", "half convex", "greedy", "search", "stacking",
    "reranker", "product",
)  # fmt: skip


def rule_for(kind: str, members: list[Probabilities]) -> FusionRule:
    """A rule of each kind."""
    fixed = {member.source: 1.0 + index for index, member in enumerate(members)}
    rules: dict[str, FusionRule] = {
        "uniform": Uniform(kind="uniform"),
        "fixed": Fixed(kind="fixed", weights=fixed),
        "geometric": Geometric(kind="geometric"),
        "convex": CONVEX,
        "half convex": Convex(kind="convex", shrinkage=0.5),
        "greedy": Greedy(kind="greedy", metric="macro_f1", rounds=8),
        "search": Search(kind="search", metric="top1", evaluations=40, seed=1),
        "stacking": Stacking(kind="stacking", c=0.01),
        "reranker": Reranker(kind="reranker", k=3, margin=0.3, c=0.1, fewest=0),
        "product": Product(kind="product", groups=GROUPS, strength=None),
    }
    return rules[kind]


def make(seed: int, num_members: int = 3, n: int = 40) -> tuple[list[Probabilities], np.ndarray]:
    """Members of different skill, each with its rows in an order of its own; labels by clip."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, len(CLASSES), n)
    ids = np.array([f"v{row // 8}_{row:03d}" for row in range(n)])
    members = []
    for index in range(num_members):
        logit = rng.normal(0, 1 + index, (n, len(CLASSES)))
        logit[np.arange(n), label] += rng.uniform(0, 3)
        p = np.exp(logit)
        p = (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
        order = rng.permutation(n)
        members.append(
            Probabilities("mimic", "val", f"m{index}", CLASSES, tuple(ids[order]), p[order])
        )
    return members, label


def labels_of(label: np.ndarray) -> dict[str, int]:
    return {f"v{row // 8}_{row:03d}": int(value) for row, value in enumerate(label)}


def truth_by_clip(labels: dict[str, int]) -> Labels:
    rows = [a_clip(clip, label=value, split="val") for clip, value in labels.items()]
    return index_labels(Clips("mimic", tuple(rows)), "val")


def truth_of(label: np.ndarray) -> Labels:
    return truth_by_clip(labels_of(label))


def rows_of(truth: Labels, rows: np.ndarray) -> Labels:
    """Choose rows by a mask or in an order."""
    ids, videos = (tuple(np.array(each)[rows].tolist()) for each in (truth.clip_id, truth.videos))
    return replace(truth, clip_id=ids, videos=videos, label=truth.label[rows])


def some_weights(seed: int, members: list[Probabilities]) -> dict[str, float]:
    drawn = np.random.default_rng(seed).exponential(size=len(members))
    return dict(zip([member.source for member in members], drawn.tolist(), strict=True))


def fit_weights(
    rule: FusionRule, members: list[Probabilities], labels: dict[str, int]
) -> dict[str, float]:
    return fit_fusion(rule, "none", members, truth_by_clip(labels)).weights
