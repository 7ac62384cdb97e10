"""All subsets, what each member adds, and how members differ: against plain recomputation."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.contracts.predictions import Probabilities
from benchmark.core.errors import FormatError
from benchmark.editions.edition import read_edition
from benchmark.evaluation.diversity import complementarity, hardest, shapley, subset_counts
from benchmark.results.entries import GroundTruth
from benchmark.results.subsets import members_of, score_subsets, subsets_csv, subsets_section
from submission.fusion.fuse import fuse

MIMIC = read_edition("mimic")
PROPERTY = settings(max_examples=15, deadline=None, derandomize=True)


def scores(seed: int, members: int, clips: int, classes: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), (members, clips))


def as_probabilities(p: np.ndarray, split: str, prefix: str) -> list[Probabilities]:
    ids = tuple(f"{prefix}_{row}" for row in range(p.shape[1]))
    return [
        Probabilities("mimic", split, f"m{k}", MIMIC.classes, ids, one.astype(np.float32))
        for k, one in enumerate(p)
    ]


def truth_of(members: list[Probabilities], split: str, label: np.ndarray) -> GroundTruth:
    ids = members[0].clip_id
    return GroundTruth("mimic", split, ids, ids, label, np.array([0, 0, 1]))


@PROPERTY
@given(seed=st.integers(0, 99), members=st.integers(1, 5))
def test_every_subset_scores_as_its_fusion_does(seed: int, members: int) -> None:
    rng = np.random.default_rng(seed)
    val, test = (
        as_probabilities(scores(seed + k, members, n), split, split)
        for k, (split, n) in enumerate((("val", 30), ("test", 20)))
    )
    labels = {"val": rng.integers(0, 32, 30), "test": rng.integers(0, 32, 20)}
    truths = [truth_of(val, "val", labels["val"]), truth_of(test, "test", labels["test"])]
    rows = score_subsets({"val": val[::-1], "test": test}, truths)
    assert len(rows) == 2**members - 1
    assert len({row.members for row in rows}) == len(rows)
    for row in rows:
        for split, whole in (("val", val), ("test", test)):
            chosen = [one for one in whole if one.source in row.members]
            fused = fuse(chosen, dict.fromkeys(row.members, 1.0), source="f")
            assert row.top1[split] == (fused.p.argmax(1) == labels[split]).mean()


def test_subsets_come_best_first_and_the_smaller_one_of_equals() -> None:
    p = np.repeat(scores(0, 1, 10), 3, axis=0)
    val = as_probabilities(p, "val", "v")
    rows = score_subsets({"val": val}, [truth_of(val, "val", p[0].argmax(1))])
    assert [len(row.members) for row in rows] == [1, 1, 1, 2, 2, 2, 3]
    lines = subsets_csv(rows).splitlines()
    assert lines[:2] == ["rank,members,number,val_top1", "1,m0,1,1.000000"]
    assert "| 1 | m0 | 100.00 |" in subsets_section(rows)


def test_no_subsets_give_a_file_with_a_header_alone() -> None:
    assert subsets_csv([]) == "rank,members,number\n"


def test_too_many_members_are_refused() -> None:
    with pytest.raises(FormatError, match="at most 16; found 17"):
        subset_counts(np.ones((17, 1, 2)), [np.zeros(1, np.int64)])


def test_names_of_a_subset_are_its_bits() -> None:
    assert members_of(0b101, ("a", "b", "c")) == ("a", "c")


@PROPERTY
@given(value=st.lists(st.floats(-1, 1), min_size=8, max_size=8))
def test_shapley_is_the_mean_gain_over_all_orders_of_adding(value: list[float]) -> None:
    worth = np.array(value)
    gains = np.zeros(3)
    for order in permutations(range(3)):
        subset = 0
        for member in order:
            gains[member] += (worth[subset | 1 << member] - worth[subset]) / 6
            subset |= 1 << member
    np.testing.assert_allclose(shapley(worth), gains, atol=1e-12)
    np.testing.assert_allclose(shapley(worth).sum(), worth[7] - worth[0], atol=1e-12)


def test_complementarity_of_three_members_by_hand() -> None:
    predicted = np.array([[0, 1, 2, 0], [0, 1, 0, 1], [0, 2, 0, 3]])
    label = np.array([0, 1, 2, 3])
    p = 0.1 + 0.6 * np.eye(4)[predicted]
    found = complementarity(["a", "b", "c"], p, label, majority_baseline=0.25)
    right = predicted == label
    assert right.sum(1).tolist() == [3, 2, 2]
    assert found.disagreement[0].tolist() == [0, 0.5, 0.75]
    assert found.union[0, 1] == 0.75, "a and b: clips 0, 1, 2"
    assert np.diag(found.union).tolist() == [0.75, 0.5, 0.5]
    assert found.oracle == 1
    assert found.fused == 0.5, "clip 2 goes to b and c, clip 3 to the lowest of three"
    assert found.shapley.sum() == pytest.approx(found.fused - 0.25)


def test_the_hardest_clip_is_the_one_that_fewest_members_get_right() -> None:
    predicted = np.array([[0, 1, 2, 0], [0, 1, 0, 0], [0, 1, 0, 0]])
    label = np.array([0, 1, 2, 3])
    p = 0.1 + 0.6 * np.eye(4)[predicted]
    p[0, 1, 1] += 0.2
    assert hardest(p, label).tolist() == [3, 2, 0, 1]
