"""Fusion: a mean by clip id, weights from validation alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from conftest import a_clip
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.clips import Clips
from benchmark.errors import FormatError, MismatchError
from benchmark.evaluation.metrics import log_loss, score
from benchmark.params import Convex, FusionRule, Uniform
from benchmark.predictions import Probabilities, check_probabilities
from submission.fusion import fit_fusion, fit_weights, fuse, read_fitted, write_fitted

if TYPE_CHECKING:
    from pathlib import Path

PROPERTY = settings(max_examples=30, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**32 - 1)
CLASSES = tuple("abcdef")
RULES: list[FusionRule] = [
    Uniform(kind="uniform"),
    *(Convex(kind="convex", shrinkage=share) for share in (0.0, 0.3, 1.0)),
]
FITTED = RULES[1]


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


def clips_of(label: np.ndarray) -> Clips:
    rows = [a_clip(clip, label=value, split="val") for clip, value in labels_of(label).items()]
    return Clips("mimic", tuple(rows))


def some_weights(seed: int, members: list[Probabilities]) -> dict[str, float]:
    drawn = np.random.default_rng(seed).exponential(size=len(members))
    return dict(zip([member.source for member in members], drawn.tolist(), strict=True))


# ---------------------------------------------------------------- fuse


@PROPERTY
@given(SEEDS, st.integers(1, 5))
def test_a_fusion_of_probabilities_is_probabilities(seed: int, num_members: int) -> None:
    members, _ = make(seed, num_members)
    fused = fuse(members, some_weights(seed, members), source="all")
    check_probabilities(fused, where="fused")
    assert fused.p.dtype == np.float32
    assert np.abs(fused.p.sum(axis=1) - 1).max() < 1e-6
    assert (fused.source, fused.split, fused.classes) == ("all", "val", CLASSES)
    assert fused.clip_id == members[0].clip_id


@PROPERTY
@given(SEEDS)
def test_fusing_a_system_with_itself_changes_nothing(seed: int) -> None:
    one = make(seed)[0][0]
    twin = replace(one, source="twin")
    fused = fuse([one, twin], {"m0": 0.3, "twin": 0.7}, source="both")
    np.testing.assert_allclose(fused.p, one.p, rtol=1e-6, atol=1e-9)


@PROPERTY
@given(SEEDS)
def test_fusion_ignores_member_order(seed: int) -> None:
    members, _ = make(seed, 4)
    weights = some_weights(seed, members)
    fused = fuse(members, weights, source="all")
    turned = fuse(members[::-1], weights, source="all")
    np.testing.assert_array_equal(turned.aligned(fused.clip_id).p, fused.p)


@PROPERTY
@given(SEEDS, st.floats(1e-300, 1e300))
def test_fusion_ignores_the_scale_of_the_weights(seed: int, scale: float) -> None:
    members, _ = make(seed)
    weights = some_weights(seed, members)
    fused = fuse(members, weights, source="all")
    scaled = fuse(members, {key: scale * w for key, w in weights.items()}, source="all")
    np.testing.assert_allclose(scaled.p, fused.p, rtol=1e-6)


@PROPERTY
@given(SEEDS)
def test_fusion_joins_by_clip_id_whatever_the_row_order(seed: int) -> None:
    members, _ = make(seed)
    weights = some_weights(seed, members)
    fused = fuse(members, weights, source="all")
    order = np.random.default_rng(seed).permutation(len(fused))
    second = members[1].aligned([members[1].clip_id[row] for row in order])
    again = fuse([members[0], second, members[2]], weights, source="all")
    np.testing.assert_array_equal(again.p, fused.p)


def test_the_fused_row_is_the_weighted_mean_of_that_clip() -> None:
    one = Probabilities("e", "test", "x", ("a", "b"), ("1", "2"), np.array([[1, 0], [0, 1]], "f4"))
    two = Probabilities(
        "e", "test", "y", ("a", "b"), ("2", "1"), np.array([[1, 0], [0.5, 0.5]], "f4")
    )
    fused = fuse([one, two], {"x": 3, "y": 1}, source="xy")
    assert fused.clip_id == ("1", "2")
    np.testing.assert_allclose(fused.p, [[0.875, 0.125], [0.25, 0.75]])


@pytest.mark.parametrize("extreme", [1.7e308, 5e-324])
def test_weights_at_the_ends_of_float64_are_still_equal_weights(extreme: float) -> None:
    members, _ = make(0)
    even = fuse(members, dict.fromkeys(("m0", "m1", "m2"), 1.0), source="all")
    fused = fuse(members, dict.fromkeys(("m0", "m1", "m2"), extreme), source="all")
    np.testing.assert_array_equal(fused.p, even.p)


def test_a_member_of_weight_zero_has_no_say() -> None:
    members, _ = make(0)
    fused = fuse(members, {"m0": 0, "m1": 5, "m2": 0}, source="all")
    np.testing.assert_allclose(fused.p, members[1].aligned(fused.clip_id).p, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"edition": "miga25"},
            "fusion of m0 and m1: they differ in edition; expected mimic; found",
        ),
        ({"split": "test"}, "fusion of m0 and m1: they differ in split; expected val; found test"),
        (
            {"classes": ("a", "b", "d", "c", "e", "f")},
            "fusion of m0 and m1: they differ in classes: class 2 is 'c' and 'd'",
        ),
        ({"classes": CLASSES[:5]}, "fusion of m0 and m1: they differ in classes: 6 and 5 of them"),
        ({"source": "m0"}, "fusion: member m0 comes twice"),
    ],
)
def test_members_that_disagree_are_refused(change: dict[str, object], message: str) -> None:
    members, _ = make(0, 2)
    other = replace(members[1], **change)
    with pytest.raises(MismatchError) as error:
        fuse([members[0], other], {"m0": 1, "m1": 1}, source="all")
    assert str(error.value).startswith(message)


def test_members_of_different_clips_are_named_with_the_first_clip_that_differs() -> None:
    members, _ = make(0, 2)
    renamed = {"v0_003": "v0_003x", "v2_020": "v2_020x"}
    ids = tuple(renamed.get(clip, clip) for clip in members[1].clip_id)
    with pytest.raises(MismatchError) as error:
        fuse([members[0], replace(members[1], clip_id=ids)], {"m0": 1, "m1": 1}, source="all")
    assert str(error.value) == (
        "fusion of m0 and m1: they differ in 4 clip(s); expected the 40 clips of m0; found 40"
        " clips; the first that differs, v0_003, is only in m0"
    )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"m0": 1.0}, "fusion weights: not the members'; expected m0, m1; found m0"),
        ({"m0": 1.0, "m1": -0.1}, "fusion weights: no weights; expected all >= 0, not all 0"),
        ({"m0": 0.0, "m1": 0.0}, "fusion weights: no weights; expected all >= 0, not all 0"),
        ({"m0": float("nan"), "m1": 1.0}, "fusion weights: no weights; expected all >= 0"),
    ],
)
def test_weights_that_are_none_are_refused(weights: dict[str, float], message: str) -> None:
    with pytest.raises(FormatError) as error:
        fuse(make(0, 2)[0], weights, source="all")
    assert str(error.value).startswith(message)


def test_a_fusion_of_nothing_is_refused() -> None:
    with pytest.raises(MismatchError, match=r"^fusion: no members; expected at least one"):
        fuse([], {}, source="all")


# ---------------------------------------------------------------- fit


@pytest.mark.parametrize("rule", RULES, ids=str)
@PROPERTY
@given(seed=SEEDS, num_members=st.integers(1, 5))
def test_every_rule_gives_weights_on_the_simplex_never_worse_than_uniform(
    rule: FusionRule, seed: int, num_members: int
) -> None:
    members, label = make(seed, num_members)
    weights = fit_weights(rule, members, labels_of(label))
    assert list(weights) == [member.source for member in members]
    assert min(weights.values()) >= 0
    assert sum(weights.values()) == pytest.approx(1)
    ids = list(labels_of(label))
    even = dict.fromkeys(weights, 1.0)
    fitted = log_loss(fuse(members, weights, source="f").aligned(ids).p, label)
    assert fitted <= log_loss(fuse(members, even, source="u").aligned(ids).p, label) + 2e-6


@pytest.mark.parametrize("rule", RULES, ids=str)
@PROPERTY
@given(seed=SEEDS)
def test_fitted_weights_ignore_the_order_of_members_and_rows(rule: FusionRule, seed: int) -> None:
    members, label = make(seed, 4)
    labels = labels_of(label)
    weights = fit_weights(rule, members, labels)
    turned = [member.aligned(sorted(member.clip_id)) for member in members[::-1]]
    assert fit_weights(rule, turned, dict(reversed(labels.items()))) == weights


@PROPERTY
@given(SEEDS)
def test_convex_weights_of_two_members_are_the_best_of_a_fine_grid(seed: int) -> None:
    members, label = make(seed, 2)
    ids = list(labels_of(label))
    p0, p1 = (member.aligned(ids).p.astype(np.float64) for member in members)
    grid = [log_loss(w * p0 + (1 - w) * p1, label) for w in np.linspace(0, 1, 201)]
    weights = fit_weights(FITTED, members, labels_of(label))
    best = log_loss(weights["m0"] * p0 + weights["m1"] * p1, label)
    assert best <= min(grid) + 2e-6


def test_convex_drops_a_member_that_only_harms() -> None:
    members, label = make(3, 2)
    ids = sorted(labels_of(label))
    wrong = np.full((40, 6), 0.19, np.float32)
    wrong[np.arange(40), label] = 0.05
    harmful = replace(members[0], source="z", clip_id=tuple(ids), p=wrong)
    weights = fit_weights(FITTED, [*members, harmful], labels_of(label))
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
    assert fit_weights(FITTED, sure, labels_of(label)) == {"m0": 1.0, "m1": 0.0}


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
    weights = fit_weights(FITTED, hopeless, labels)
    rest = {clip: value for clip, value in labels.items() if clip != lost}
    kept = [m.aligned(list(labels)) for m in members]
    rows = [row for row, clip in enumerate(labels) if clip != lost]
    kept = [replace(m, clip_id=tuple(rest), p=m.p[rows]) for m in kept]
    assert weights == pytest.approx(fit_weights(FITTED, kept, rest), abs=1e-2)


def test_shrinkage_moves_the_weights_in_a_straight_line_to_uniform() -> None:
    members, label = make(5, 3)
    free, some, full = (fit_weights(rule, members, labels_of(label)) for rule in RULES[1:])
    assert full == pytest.approx(dict.fromkeys(free, 1 / 3))
    assert some == pytest.approx({key: 0.7 * w + 0.3 / 3 for key, w in free.items()}, abs=1e-6)
    assert max(free.values()) > 0.4


@pytest.mark.parametrize("split", ["test", "train"])
def test_weights_are_fitted_on_validation_only(split: str) -> None:
    members, label = make(0)
    others = [replace(member, split=split) for member in members]
    with pytest.raises(MismatchError) as error:
        fit_weights(FITTED, others, labels_of(label))
    assert str(error.value).startswith(
        f"fit of m0: weights are fitted on validation only; expected val; found {split}"
    )


def test_labels_of_other_clips_are_refused() -> None:
    members, label = make(0)
    labels = labels_of(label) | {"v9_999": 0}
    with pytest.raises(MismatchError) as error:
        fit_weights(FITTED, members, labels)
    assert str(error.value).startswith(
        "probabilities of m0 on val: 1 clip(s) missing, 0 foreign (the first is v9_999)"
    )


# ---------------------------------------------------------------- weights.json


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_nested_estimate_scores_each_video_with_weights_fitted_without_it(rule: FusionRule) -> None:
    members, label = make(7)
    labels = labels_of(label)
    ids = np.array(list(labels))
    video = np.array([clip.split("_")[0] for clip in ids])
    held_out = np.empty((40, 6))
    for name in np.unique(video):
        rest = ids[video != name].tolist()
        inner = [
            replace(m, clip_id=tuple(rest), p=m.p[[m.clip_id.index(clip) for clip in rest]])
            for m in members
        ]
        weights = fit_weights(rule, inner, {clip: labels[clip] for clip in rest})
        fused = fuse(members, weights, source="f").aligned(ids.tolist())
        held_out[video == name] = fused.p[video == name]
    expected = score(held_out, label)
    nested = fit_fusion(rule, members, clips_of(label)).nested
    assert nested.top1 == expected.top1
    assert nested.log_loss == pytest.approx(expected.log_loss, abs=1e-6)


def test_a_fitted_fusion_tells_what_its_weights_are_worth() -> None:
    members, label = make(7)
    fitted = fit_fusion(FITTED, members, clips_of(label))
    assert fitted.weights == fit_weights(FITTED, members, labels_of(label))
    assert (fitted.num_clips, fitted.num_videos, fitted.fitted_on) == (40, 5, "val")
    again = score(
        fuse(members, fitted.weights, source="f").aligned(list(labels_of(label))).p, label
    )
    assert fitted.fitted.top1 == again.top1
    assert fitted.fitted.log_loss == pytest.approx(again.log_loss, abs=1e-6)
    assert fitted.fitted.log_loss < fitted.uniform.log_loss
    assert fitted.nested.log_loss > fitted.fitted.log_loss


def test_a_fitted_fusion_ignores_the_order_of_the_index() -> None:
    members, label = make(7)
    clips = clips_of(label)
    order = np.random.default_rng(0).permutation(len(clips))
    shuffled = Clips("mimic", tuple(clips.rows[row] for row in order))
    assert fit_fusion(FITTED, members, shuffled) == fit_fusion(FITTED, members, clips)


def test_uniform_weights_are_worth_the_same_before_after_and_nested() -> None:
    members, label = make(7)
    fitted = fit_fusion(RULES[0], members, clips_of(label))
    assert fitted.uniform == fitted.fitted == fitted.nested


def test_one_video_alone_has_no_nested_estimate() -> None:
    members, label = make(0, 2, 8)
    with pytest.raises(FormatError, match=r"^nested estimate: no other video to fit on"):
        fit_fusion(FITTED, members, clips_of(label))


def test_clips_of_another_edition_are_refused() -> None:
    members, label = make(0)
    with pytest.raises(MismatchError, match=r"^probabilities of m0 on val: another edition's"):
        fit_fusion(FITTED, members, replace(clips_of(label), edition="miga25"))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_weights_file_survives_the_round_trip_and_has_stable_bytes(
    rule: FusionRule, tmp_path: Path
) -> None:
    members, label = make(2)
    fitted = fit_fusion(rule, members, clips_of(label))
    write_fitted(fitted, tmp_path / "a.json")
    write_fitted(fit_fusion(rule, members[::-1], clips_of(label)), tmp_path / "b.json")
    assert read_fitted(tmp_path / "a.json") == fitted
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.json").read_bytes().endswith(b"}\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fusion/1", "fusion/2", "not fitted weights: format: Input should be 'fusion/1'"),
        ('"val"', '"test"', "not fitted weights: fitted_on: Input should be 'val'"),
        ('"num_clips"', '"clips"', "not fitted weights: num_clips: Field required"),
        ("{", "", "not fitted weights: the file: Invalid JSON"),
    ],
)
def test_broken_weights_file_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    members, label = make(2)
    path = tmp_path / "weights.json"
    write_fitted(fit_fusion(FITTED, members, clips_of(label)), path)
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(FormatError) as error:
        read_fitted(path)
    assert str(error.value).startswith(f"{path}: {message}")


def test_missing_weights_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as error:
        read_fitted(tmp_path / "weights.json")
    assert str(error.value).startswith(f"{tmp_path / 'weights.json'}: no such file")
