"""Fusion rules: what each fits on validation, and what it never does."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import gmean

from benchmark.contracts.predictions import check_probabilities
from benchmark.core.errors import MismatchError
from benchmark.evaluation.metrics import log_loss, score
from fused import (
    CONVEX,
    KINDS,
    PROPERTY,
    SEEDS,
    fit_weights,
    labels_of,
    make,
    rows_of,
    rule_for,
    truth_of,
)
from submission.fusion import rules
from submission.fusion.blend import apply_temperature
from submission.fusion.fit import fit_fusion
from submission.fusion.fitted import Estimate
from submission.fusion.fuse import apply, fuse
from submission.fusion.rules.convex import Convex
from submission.fusion.rules.equal import Fixed, Geometric, Uniform
from submission.fusion.rules.greedy import Greedy
from submission.fusion.rules.rule import FusedMetric, Rule
from submission.fusion.rules.search import Search
from submission.fusion.rules.union import FusionRule
from submission.fusion.temperature import Temperature


def test_the_union_holds_every_rule_and_the_tests_cover_each() -> None:
    for module in pkgutil.iter_modules(rules.__path__, "submission.fusion.rules."):
        importlib.import_module(module.name)
    (members, _) = get_args(FusionRule)
    assert {*get_args(members)} == {*Rule.__subclasses__()}
    assert {type(rule_for(kind, make(0)[0])) for kind in KINDS} == {*get_args(members)}


@pytest.mark.parametrize("kind", KINDS)
@settings(PROPERTY, max_examples=8)
@given(seed=SEEDS, num_members=st.integers(1, 5))
def test_every_rule_gives_weights_on_the_simplex_and_probabilities(
    kind: str, seed: int, num_members: int
) -> None:
    members, label = make(seed, num_members)
    fitted = fit_fusion(rule_for(kind, members), "both", members, truth_of(label))
    assert sorted(fitted.weights) == sorted(member.source for member in members)
    assert min(fitted.weights.values()) >= 0
    assert sum(fitted.weights.values()) == pytest.approx(1)
    check_probabilities(apply(fitted, members, source="f"), where="fused")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("temperature", ["none", "both"])
def test_every_rule_ignores_the_order_of_members_rows_and_index(
    kind: str, temperature: Temperature
) -> None:
    members, label = make(7, 4)
    rule, truth = rule_for(kind, members), truth_of(label)
    turned = [member.aligned(sorted(member.clip_id)) for member in members[::-1]]
    shuffled = rows_of(truth, np.random.default_rng(0).permutation(len(label)))
    one = fit_fusion(rule, temperature, members, truth)
    other = fit_fusion(rule, temperature, turned, shuffled)
    assert one == other
    fused = apply(one, members, source="f")
    again = apply(other, turned, source="f").aligned(fused.clip_id)
    np.testing.assert_array_equal(fused.p, again.p)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"stacking", "reranker", "product"}))
def test_a_system_fused_with_its_twin_is_itself(kind: str) -> None:
    members, label = make(1, 1)
    twins = [members[0], replace(members[0], source="twin")]
    fitted = fit_fusion(rule_for(kind, twins), "none", twins, truth_of(label))
    fused = apply(fitted, twins, source="f")
    np.testing.assert_allclose(fused.p, members[0].p, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_rule_fits_depends_on_validation_alone(kind: str) -> None:
    """Neither probabilities nor labels of other clips reach a fit: it has none of them."""
    members, label = make(7)
    for split in ("test", "train"):
        others = [replace(member, split=split) for member in members]
        with pytest.raises(MismatchError, match=rf"only; expected val; found {split}[.] Fit"):
            fit_fusion(rule_for(kind, members), "both", others, truth_of(label))


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_without_a_clip_in_validation_keeps_what_equal_weights_give_it(kind: str) -> None:
    members, label = make(4, 3, 80)
    seen = np.where(label == 2, 3, label)
    fitted = fit_fusion(rule_for(kind, members), "none", members, truth_of(seen))
    assert fitted.absent == (2,)
    fused = apply(fitted, members, source="f")
    even = fuse(members, dict.fromkeys(fitted.weights, 1.0), source="u")
    ruled = fuse(members, fitted.weights, source="w")
    if kind == "stacking":
        np.testing.assert_allclose(fused.p[:, 2], even.p[:, 2], rtol=1e-5)
        assert (fused.p.argmax(1) == 2).any()
    elif kind not in {"geometric", "reranker", "product"}:
        np.testing.assert_allclose(fused.p[:, 2], ruled.p[:, 2], rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_validation_of_one_class_only_breaks_no_rule(kind: str) -> None:
    members, label = make(4)
    fitted = fit_fusion(rule_for(kind, members), "both", members, truth_of(np.zeros_like(label)))
    check_probabilities(apply(fitted, members, source="f"), where="fused")


def test_fixed_weights_are_those_that_were_given() -> None:
    """The winner's own: five streams of 0.2, two of 0.5."""
    members, label = make(2, 7)
    given = dict.fromkeys(["m0", "m1", "m2", "m3", "m4"], 0.2) | {"m5": 0.5, "m6": 0.5}
    weights = fit_weights(Fixed(kind="fixed", weights=given), members, labels_of(label))
    assert weights == pytest.approx({name: w / 2 for name, w in given.items()})


def test_the_geometric_mean_is_that_of_scipy() -> None:
    members, label = make(2)
    fitted = fit_fusion(Geometric(kind="geometric"), "none", members, truth_of(label))
    ids = members[0].clip_id
    mean = gmean(np.stack([member.aligned(ids).p for member in members]), axis=0)
    expected = mean / mean.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(apply(fitted, members, source="f").p, expected, rtol=1e-4)


@pytest.mark.parametrize("metric", ["top1", "macro_f1", "log_loss"])
@pytest.mark.parametrize("seed", range(4))
def test_greedy_and_search_are_no_worse_than_what_they_start_from(
    metric: FusedMetric, seed: int
) -> None:
    members, label = make(seed, 4)
    clips = truth_of(label)

    def cost(of: Estimate) -> float:
        return of.log_loss if metric == "log_loss" else -getattr(of, metric)

    greedy = fit_fusion(Greedy(kind="greedy", metric=metric, rounds=12), "none", members, clips)
    singles = [fit_fusion(Greedy(kind="greedy", metric=metric, rounds=1), "none", [one], clips)
               for one in members]  # fmt: skip
    assert cost(greedy.fitted) <= min(cost(single.fitted) for single in singles) + 1e-12
    search = Search(kind="search", metric=metric, evaluations=80, seed=1)
    found = fit_fusion(search, "none", members, clips)
    assert cost(found.fitted) <= cost(found.uniform) + 1e-12


def test_greedy_takes_members_by_counts() -> None:
    members, label = make(2, 4)
    greedy = Greedy(kind="greedy", metric="log_loss", rounds=10)
    weights = fit_weights(greedy, members, labels_of(label))
    counts = [10 * weight for weight in weights.values()]
    rounds = [n for n in range(1, 11) if all(abs(n * w - round(n * w)) < 1e-9 for w in
                                              weights.values())]  # fmt: skip
    assert rounds, counts


def test_greedy_by_log_loss_comes_near_the_best_weights() -> None:
    members, label = make(5, 3)
    convex = fit_fusion(CONVEX, "none", members, truth_of(label))
    greedy = Greedy(kind="greedy", metric="log_loss", rounds=60)
    near = fit_fusion(greedy, "none", members, truth_of(label))
    assert convex.fitted.log_loss <= near.fitted.log_loss + 1e-6
    assert near.fitted.log_loss < convex.fitted.log_loss + 5e-3


def test_search_by_log_loss_comes_near_the_best_weights() -> None:
    members, label = make(5, 3)
    convex = fit_fusion(CONVEX, "none", members, truth_of(label))
    search = Search(kind="search", metric="log_loss", evaluations=400, seed=1)
    near = fit_fusion(search, "none", members, truth_of(label))
    assert near.fitted.log_loss < convex.fitted.log_loss + 1e-3
    assert near.evaluations >= 400


def test_a_seed_that_cma_cannot_take_is_a_fault_of_the_params() -> None:
    with pytest.raises(ValidationError, match="less than 4294967296"):
        Search(kind="search", metric="top1", evaluations=2, seed=2**32)


def test_a_temperature_undoes_what_made_a_member_too_sure() -> None:
    members, label = make(0, 1, 400)
    sharp = replace(
        members[0], p=apply_temperature(members[0].p.astype(float), 0.25).astype(np.float32)
    )
    rule = Uniform(kind="uniform")
    plain, shrill = (
        fit_fusion(rule, "before", [one], truth_of(label)).before["m0"]
        for one in (members[0], sharp)
    )
    assert shrill == pytest.approx(4 * plain, rel=0.02)


@pytest.mark.parametrize("kind", ["uniform", "geometric", "convex"])
@PROPERTY
@given(seed=SEEDS)
def test_the_last_temperature_never_worsens_log_loss_nor_changes_a_prediction(
    kind: str, seed: int
) -> None:
    members, label = make(seed)
    rule = rule_for(kind, members)
    none, after = (fit_fusion(rule, t, members, truth_of(label)) for t in ("none", "after"))
    assert after.fitted.log_loss <= none.fitted.log_loss + 1e-6
    assert after.fitted.top1 == none.fitted.top1


@PROPERTY
@given(seed=SEEDS, num_members=st.integers(1, 5))
def test_convex_weights_are_never_worse_than_uniform(seed: int, num_members: int) -> None:
    members, label = make(seed, num_members)
    fitted = fit_fusion(CONVEX, "none", members, truth_of(label))
    assert fitted.fitted.log_loss <= fitted.uniform.log_loss + 2e-6


@PROPERTY
@given(SEEDS)
def test_convex_weights_of_two_members_are_the_best_of_a_fine_grid(seed: int) -> None:
    members, label = make(seed, 2)
    ids = list(labels_of(label))
    p0, p1 = (member.aligned(ids).p.astype(np.float64) for member in members)
    grid = [log_loss(w * p0 + (1 - w) * p1, label) for w in np.linspace(0, 1, 201)]
    weights = fit_weights(CONVEX, members, labels_of(label))
    best = log_loss(weights["m0"] * p0 + weights["m1"] * p1, label)
    assert best <= min(grid) + 2e-6


def test_convex_drops_a_member_that_only_harms() -> None:
    members, label = make(3, 2)
    ids = sorted(labels_of(label))
    wrong = np.full((40, 6), 0.19, np.float32)
    wrong[np.arange(40), label] = 0.05
    harmful = replace(members[0], source="z", clip_id=tuple(ids), p=wrong)
    weights = fit_weights(CONVEX, [*members, harmful], labels_of(label))
    assert weights["z"] == 0.0


def test_a_member_that_gives_certain_misses_can_still_be_fitted() -> None:
    members, label = make(0, 2, 16)
    ids = sorted(labels_of(label))
    hard = [np.zeros((16, 6), np.float32) for _ in range(2)]
    hard[0][np.arange(16), label] = 1
    hard[1][np.arange(16), (label + 1) % 6] = 1
    sure = [
        replace(member, clip_id=tuple(ids), p=p) for member, p in zip(members, hard, strict=True)
    ]
    assert fit_weights(CONVEX, sure, labels_of(label)) == {"m0": 1.0, "m1": 0.0}


def test_a_clip_that_no_member_gives_a_chance_does_not_stop_the_fit() -> None:
    members, label = make(0, 2)
    labels = labels_of(label)
    lost = "v0_003"
    hopeless = []
    for member in members:
        p = member.p.copy()
        row = member.clip_id.index(lost)
        p[row] = 0
        p[row, (labels[lost] + 1) % 6] = 1
        hopeless.append(replace(member, p=p))
    weights = fit_weights(CONVEX, hopeless, labels)
    rest = {clip: value for clip, value in labels.items() if clip != lost}
    kept = [m.aligned(list(labels)) for m in members]
    rows = [row for row, clip in enumerate(labels) if clip != lost]
    kept = [replace(m, clip_id=tuple(rest), p=m.p[rows]) for m in kept]
    assert weights == pytest.approx(fit_weights(CONVEX, kept, rest), abs=1e-2)


def test_shrinkage_moves_the_weights_in_a_straight_line_to_uniform() -> None:
    members, label = make(5, 3)
    rules = [Convex(kind="convex", shrinkage=share) for share in (0.0, 0.3, 1.0)]
    free, some, full = (fit_weights(rule, members, labels_of(label)) for rule in rules)
    assert full == pytest.approx(dict.fromkeys(free, 1 / 3))
    assert some == pytest.approx({key: 0.7 * w + 0.3 / 3 for key, w in free.items()}, abs=1e-6)
    assert max(free.values()) > 0.4


def test_labels_of_other_clips_are_refused() -> None:
    members, label = make(0)
    labels = labels_of(label) | {"v9_999": 0}
    with pytest.raises(MismatchError) as error:
        fit_weights(CONVEX, members, labels)
    assert str(error.value).startswith(
        "probabilities of m0 on val: 1 clip(s) missing, 0 foreign (the first is v9_999)"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_nested_estimate_scores_each_video_by_a_fit_without_it(kind: str) -> None:
    members, label = make(7)
    rule, truth = rule_for(kind, members), truth_of(label)
    video = np.array(truth.videos)
    held_out = np.empty((40, 6))
    for name in np.unique(video):
        rest = rows_of(truth, video != name)
        ids = rest.clip_id
        inner = [
            replace(m, clip_id=ids, p=m.p[[m.clip_id.index(clip) for clip in ids]]) for m in members
        ]
        without = fit_fusion(rule, "both", inner, rest)
        fused = apply(without, members, source="f").aligned(truth.clip_id)
        held_out[video == name] = fused.p[video == name]
    expected = score(held_out, label)
    nested = fit_fusion(rule, "both", members, truth).nested
    assert (nested.top1, nested.macro_f1) == (expected.top1, expected.macro_f1)
    assert nested.log_loss == pytest.approx(expected.log_loss, abs=1e-6)


def test_a_fitted_fusion_tells_what_its_weights_are_worth() -> None:
    members, label = make(7)
    fitted = fit_fusion(CONVEX, "none", members, truth_of(label))
    assert fitted.weights == fit_weights(CONVEX, members, labels_of(label))
    assert (fitted.num_clips, fitted.num_videos, fitted.fitted_on) == (40, 5, "val")
    again = score(
        fuse(members, fitted.weights, source="f").aligned(list(labels_of(label))).p, label
    )
    assert fitted.fitted.top1 == again.top1
    assert fitted.fitted.log_loss == pytest.approx(again.log_loss, abs=1e-6)
    assert fitted.fitted.log_loss < fitted.uniform.log_loss
    assert fitted.nested.log_loss > fitted.fitted.log_loss


def test_uniform_weights_are_worth_the_same_before_after_and_nested() -> None:
    members, label = make(7)
    fitted = fit_fusion(Uniform(kind="uniform"), "none", members, truth_of(label))
    assert fitted.uniform == fitted.fitted == fitted.nested


@pytest.mark.parametrize("rule", [CONVEX, Uniform(kind="uniform")])
def test_one_video_alone_is_fitted_and_has_no_nested_estimate(rule: FusionRule) -> None:
    members, label = make(0, 2, 8)
    fitted = fit_fusion(rule, "none", members, truth_of(label))
    assert fitted.nested is None
    assert sum(fitted.weights.values()) == pytest.approx(1)


def test_clips_of_another_edition_are_refused() -> None:
    members, label = make(0)
    with pytest.raises(MismatchError, match=r"^fit of m0: another edition"):
        fit_fusion(CONVEX, "none", members, replace(truth_of(label), edition="miga25"))


def test_a_fit_without_a_clip_is_one_message() -> None:
    members, label = make(0)
    none = rows_of(truth_of(label), np.zeros(40, bool))
    empty = [replace(m, clip_id=(), p=m.p[:0]) for m in members]
    with pytest.raises(MismatchError, match="split val of mimic has no clip to fit on. Give some"):
        fit_fusion(CONVEX, "none", empty, none)


def test_many_videos_are_left_out_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sets with one video per clip would else be fitted thousands of times."""
    members, label = make(0, n=400)
    fits = []
    plain = Uniform.fit

    def counted(self: Uniform, names: object, p: object, label: np.ndarray) -> object:
        fits.append(len(label))
        return plain(self, names, p, label)

    monkeypatch.setattr(Uniform, "fit", counted)
    fitted = fit_fusion(Uniform(kind="uniform"), "none", members, truth_of(label))
    assert fitted.num_videos == 50
    assert len(fits) == 21
    assert sum(400 - count for count in fits[1:]) == 400, "each clip is held out once"
