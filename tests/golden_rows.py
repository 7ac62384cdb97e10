"""A small results table of fixed probabilities; `python tests/golden_rows.py` writes its page."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmark.contracts.predictions import Probabilities, read_probabilities
from benchmark.editions.edition import read_edition
from benchmark.results.entries import Entry, GroundTruth
from benchmark.results.table import Resampling, ResultRow, score_rows
from benchmark.results.writers import to_markdown
from submission.fusion.fuse import fuse
from submission.fusion.rules.convex import Convex
from submission.fusion.rules.equal import Uniform

GOLDEN = Path(__file__).parent / "golden"

MIMIC = read_edition("mimic")
RESAMPLING = Resampling(resamples=500, seed=7)


def read_truth() -> GroundTruth:
    with (GOLDEN / "labels-val.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    label = np.array([int(row["label"]) for row in rows])
    ids, videos = (tuple(row[key] for row in rows) for key in ("clip_id", "video"))
    return GroundTruth("mimic", "val", ids, videos, label, np.array([0, 0, 31]))


def joint_stream() -> Probabilities:
    return read_probabilities(GOLDEN / "probabilities-val.parquet")


def rgb_stream(joint: Probabilities) -> Probabilities:
    """A weaker stream: a third of its predictions are those of other clips."""
    p = joint.p.copy()
    p[::3] = p[::3][::-1]
    return replace(joint, source="rgb", p=p)


def entries_of(joint: Probabilities, rgb: Probabilities) -> list[Entry]:
    weights = {"joint": 0.75, "rgb": 0.25}
    fused = fuse([rgb, joint], weights, source="both")
    even = {"joint": 0.5, "rgb": 0.5}
    return [
        Entry(1, "rgb | swin", rgb),
        Entry(2, "joint", joint),
        Entry(3, "joint+rgb", fused, Convex(kind="convex", shrinkage=0.5), weights),
        Entry(
            4,
            "joint+rgb, uniform",
            fuse([joint, rgb], even, source="uniform"),
            Uniform(kind="uniform"),
            even,
        ),
    ]


def golden_rows() -> list[ResultRow]:
    """Four rows on validation: two streams and two fusions of them."""
    joint = joint_stream()
    return score_rows(entries_of(joint, rgb_stream(joint)), read_truth(), RESAMPLING)


if __name__ == "__main__":
    page = to_markdown(golden_rows(), MIMIC, RESAMPLING)
    (GOLDEN / "RESULTS-mimic.md").write_text(page, "utf-8")
