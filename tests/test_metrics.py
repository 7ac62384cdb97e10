"""The numbers of metrics.json mean what their descriptions say."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from benchmark.contracts.predictions import read_probabilities
from benchmark.core.errors import FormatError
from benchmark.evaluation.metrics import (
    PROBABILITY_FLOOR,
    confusion,
    correctness,
    log_loss,
    majority_baseline,
    score,
)
from benchmark.evaluation.scores import Scores, all_scores, write_metrics
from write_params_schema import field_texts

GOLDEN = Path(__file__).parent / "golden"

PROPERTY = settings(max_examples=40, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**32 - 1)


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities float32 (N, K) without ties, and labels of which some classes are absent."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(1, 60)), int(rng.integers(6, 12))
    p = rng.dirichlet(np.full(k, 0.5), n).astype(np.float32) + np.float32(1e-4)
    return p / p.sum(1, keepdims=True), rng.integers(0, max(2, k // 2), n)


@PROPERTY
@given(SEEDS)
def test_metrics_agree_with_scikit_learn(seed: int) -> None:
    p, label = random_case(seed)
    classes, predicted = np.arange(p.shape[1]), p.argmax(1)
    ours = all_scores(p, label)
    wide = p.astype(np.float64)
    assert ours.top1 == pytest.approx(sklearn_metrics.accuracy_score(label, predicted))
    top5 = sklearn_metrics.top_k_accuracy_score(label, p, k=5, labels=classes)
    assert ours.top5 == pytest.approx(top5)
    loss = sklearn_metrics.log_loss(
        label, wide / wide.sum(axis=1, keepdims=True), labels=classes.tolist()
    )
    assert ours.log_loss == pytest.approx(loss, rel=1e-5)
    recalls = [np.mean(predicted[label == c] == c) for c in np.unique(label)]
    assert ours.mean_acc == pytest.approx(np.mean(recalls))
    assert ours.n == len(label)


@PROPERTY
@given(SEEDS)
def test_renaming_the_classes_changes_no_metric(seed: int) -> None:
    p, label = random_case(seed)
    new = np.random.default_rng(seed).permutation(p.shape[1])
    renamed = np.empty_like(p)
    renamed[:, new] = p
    one, two = all_scores(p, label).model_dump(), all_scores(renamed, new[label]).model_dump()
    assert two == pytest.approx(one)


@PROPERTY
@given(SEEDS)
def test_confusion_rows_are_labels_and_its_diagonal_is_top1(seed: int) -> None:
    p, label = random_case(seed)
    matrix = confusion(p, label, p.shape[1])
    assert matrix.dtype == np.int64
    assert matrix.sum(axis=1).tolist() == np.bincount(label, minlength=p.shape[1]).tolist()
    assert np.trace(matrix) == correctness(p, label).sum()


def test_macro_f1_runs_over_the_classes_of_the_labels_only() -> None:
    # Labels 0, 0, 1; predictions 0, 2, 1: class 2 occurs among the predictions only.
    p = np.array([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1]], np.float32)
    metrics = score(p, np.array([0, 0, 1]))
    assert metrics.macro_f1 == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.mean_acc == pytest.approx((1 / 2 + 1) / 2)


def test_of_equal_probabilities_the_lower_class_comes_first() -> None:
    p = np.full((4, 8), 1 / 8, np.float32)
    metrics = score(p, np.array([0, 4, 5, 7]))
    assert (metrics.top1, metrics.top5) == (1 / 4, 2 / 4)


def test_a_certain_miss_costs_the_floor_and_a_certain_hit_nothing() -> None:
    p = np.array([[1, 0], [1, 0]], np.float32)
    assert log_loss(p, np.array([1, 1])) == pytest.approx(-np.log(PROBABILITY_FLOOR))
    assert str(log_loss(p, np.array([0, 0]))) == "0.0"


def test_log_loss_does_not_depend_on_the_float_type() -> None:
    p = np.array([[1, 0], [0.25, 0.75]])
    label = np.array([1, 0])
    assert log_loss(p.astype(np.float32), label) == log_loss(p, label)


def test_the_majority_baseline_predicts_the_largest_training_class() -> None:
    assert majority_baseline(np.array([2, 2, 0, 1]), np.array([2, 0, 2, 1, 1])) == 2 / 5
    assert majority_baseline(np.array([3, 1, 1, 3]), np.array([1, 3, 3])) == 1 / 3


@pytest.mark.parametrize(
    ("p", "label", "message"),
    [
        (np.zeros((0, 3)), [], "metrics: needs one row of probabilities and one label"),
        (np.full((2, 2), 0.5), [0], "metrics: needs one row of probabilities and one label"),
        (np.full((2, 2), 0.5), [0, 2], "metrics: 1 label(s) outside the classes; expected 0 to 1"),
        (np.full((2, 2), 0.5), [-1, 0], "metrics: 1 label(s) outside the classes; expected 0 to 1"),
        (np.array([[0.5, np.nan]]), [0], "metrics: probabilities of row 0 are not finite"),
    ],
)
def test_score_refuses_what_it_cannot_score(p: np.ndarray, label: list[int], message: str) -> None:
    with pytest.raises(FormatError) as error:
        score(p, np.array(label, np.int64))
    assert str(error.value).startswith(message)


def test_the_majority_baseline_refuses_an_empty_split() -> None:
    with pytest.raises(
        FormatError, match=r"^majority baseline: no clips; .*found 0 in train, 1 to score"
    ):
        majority_baseline(np.array([], np.int64), np.array([0]))


@PROPERTY
@given(SEEDS)
def test_metrics_survive_the_json_round_trip(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    path = tmp_path_factory.mktemp("metrics") / "metrics.json"
    metrics = all_scores(*random_case(seed))
    write_metrics(metrics, path)
    assert Scores.model_validate_json(path.read_bytes()) == metrics


def test_metrics_file_has_only_described_keys(tmp_path: Path) -> None:
    p, label = random_case(1)
    write_metrics(all_scores(p, label, np.arange(p.shape[1])), tmp_path / "metrics.json")
    written = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    assert sorted(field_texts(Scores)) == sorted(Scores.model_fields) == list(written)


def test_metrics_of_the_golden_probabilities_are_the_golden_metrics(tmp_path: Path) -> None:
    probabilities = read_probabilities(GOLDEN / "probabilities-val.parquet")
    with (GOLDEN / "labels-val.csv").open(encoding="utf-8") as file:
        label = {row["clip_id"]: int(row["label"]) for row in csv.DictReader(file)}
    ordered = np.array([label[clip] for clip in probabilities.clip_id])
    write_metrics(all_scores(probabilities.p, ordered), tmp_path / "metrics.json")
    written = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    # Sums over clips may differ in the last bit between machines; nothing else may.
    assert written == pytest.approx(json.loads((GOLDEN / "metrics-val.json").read_text("utf-8")))
    assert list(written) == sorted(written)
