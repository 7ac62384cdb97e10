"""predictions.csv says of each clip what was predicted."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from benchmark.contracts.predictions import Probabilities
from benchmark.evaluation.metrics import confusion
from benchmark.evaluation.scores import predictions_csv

CLASSES = ("bulging face, deep breath", 'so-called "minaret"', "head up", "folding arms")


def test_counting_its_rows_gives_the_confusion() -> None:
    rng = np.random.default_rng(0)
    p, label = rng.dirichlet(np.ones(4), 50).astype(np.float32), rng.integers(0, 4, 50)
    ids = [f"0108_{row}" for row in range(50)]
    found = Probabilities("mimic", "val", "joint", CLASSES, tuple(ids), p)
    table = pd.read_csv(io.StringIO(predictions_csv(found, label)))
    assert table["clip_id"].tolist() == ids
    np.testing.assert_allclose(table["probability"], p.max(1), atol=5e-5)
    counted = pd.crosstab(table["label"], table["prediction"])
    counted = counted.reindex(index=CLASSES, columns=CLASSES, fill_value=0)
    np.testing.assert_array_equal(counted.to_numpy(), confusion(p, label, 4))


def test_of_equal_probabilities_the_first_class_is_the_prediction() -> None:
    found = Probabilities(
        "mimic", "val", "joint", CLASSES, ("a",), np.full((1, 4), 0.25, np.float32)
    )
    text = predictions_csv(found, np.array([2]))
    assert text.splitlines()[1] == 'a,head up,"bulging face, deep breath",0.2500'
