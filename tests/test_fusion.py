"""Fusion: members joined by clip id, and the file that says how."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.contracts.predictions import Probabilities, check_probabilities
from benchmark.core.errors import FormatError, MismatchError
from fused import (
    CLASSES,
    CONVEX,
    KINDS,
    PROPERTY,
    SEEDS,
    make,
    rule_for,
    some_weights,
    truth_of,
)
from submission.fusion.fit import fit_fusion
from submission.fusion.fitted import read_fitted, write_fitted
from submission.fusion.fuse import apply, fuse
from submission.fusion.metadata import read_fusion_metadata, write_fusion_metadata
from submission.fusion.rules.equal import Fixed

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.parametrize("extreme", [1.7e308, 5e-324])
def test_shares_of_weights_at_the_ends_of_float64_are_recorded(
    extreme: float, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("a", "b", "f")]
    for file in files:
        file.write_text("any")
    write_fusion_metadata(files[2], dict.fromkeys(files[:2], extreme))
    metadata = read_fusion_metadata(files[2])
    assert metadata is not None
    assert [*metadata.weights.values()] == [0.5, 0.5]
    fixed = Fixed(kind="fixed", weights={"a": extreme, "b": extreme})
    assert fixed.fit(["a", "b"], np.ones((2, 1, 2)), np.zeros(1, int)).blend.weights.sum() == 1


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


@pytest.mark.parametrize("kind", KINDS)
def test_weights_file_survives_the_round_trip_and_has_stable_bytes(
    kind: str, tmp_path: Path
) -> None:
    members, label = make(2)
    rule = rule_for(kind, members)
    fitted = fit_fusion(rule, "both", members, truth_of(label))
    write_fitted(fitted, tmp_path / "a.json")
    write_fitted(fit_fusion(rule, "both", members[::-1], truth_of(label)), tmp_path / "b.json")
    again = read_fitted(tmp_path / "a.json")
    assert again == fitted
    whole, read = (apply(one, members, source="f").p for one in (fitted, again))
    np.testing.assert_array_equal(whole, read)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.json").read_bytes().endswith(b"}\n")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("fusion/4", "fusion/3", "format: Input should be 'fusion/4'"),
        ('"val"', '"test"', "fitted_on: Input should be 'val', 'oof' or 'any'"),
        ('"num_clips"', '"clips"', "num_clips: Field required"),
        ("{", "", "not valid JSON"),
    ],
)
def test_broken_weights_file_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    members, label = make(2)
    path = tmp_path / "weights.json"
    write_fitted(fit_fusion(CONVEX, "none", members, truth_of(label)), path)
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(FormatError) as error:
        read_fitted(path)
    assert str(error.value).startswith(f"{path}: not fitted weights")
    assert message in str(error.value)


@pytest.mark.parametrize("kind", ["convex", "stacking", "product"])
def test_a_fit_is_not_applied_to_another_edition_or_number_of_classes(kind: str) -> None:
    members, label = make(2)
    fitted = fit_fusion(rule_for(kind, members), "none", members, truth_of(label))
    others = [replace(member, edition="imigue") for member in members]
    with pytest.raises(MismatchError, match=r"of another edition than .* mimic; found imigue"):
        apply(fitted, others, source="f")
    wider = [
        replace(one, classes=(*CLASSES, "g"), p=np.pad(one.p, ((0, 0), (0, 1)))) for one in members
    ]
    with pytest.raises(MismatchError, match="another number of classes; expected 6; found 7"):
        apply(fitted, wider, source="f")


def test_missing_weights_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as error:
        read_fitted(tmp_path / "weights.json")
    assert str(error.value).startswith(f"{tmp_path / 'weights.json'}: no such file")
