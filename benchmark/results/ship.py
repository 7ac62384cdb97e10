"""Make a trained experiment a network of the zoo: half precision, and a card with its scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.contracts.clips import read_clips
from benchmark.contracts.predictions import read_probabilities
from benchmark.contracts.test_labels import read_test_labels
from benchmark.core.errors import ParamsError
from benchmark.core.half_precision import LICENCE, SUFFIX, ZOO, write_half
from benchmark.core.schema import write_json
from benchmark.editions.edition import read_edition
from benchmark.evaluation.metrics import score
from benchmark.results.entries import GroundTruth, Scoring
from benchmark.tracking.records import read_records
from benchmark.weights.cards import FORMAT, Card
from benchmark.weights.model_folder import read_metadata, read_weights

if TYPE_CHECKING:
    from benchmark.params.params import Params
    from benchmark.synthetic.spec import ActionsSpec, GesturesSpec


def ship(name: str, params: Params, root: Path) -> Card:
    """Write the weights and the card of an experiment of a project into the folder of the zoo.

    `dvc repro` has trained it and predicted with it.

    Raises:
        ParamsError: There is no such experiment, or it has not learned from generated clips.
        FormatError: A file of it is missing or damaged, or half precision cannot hold a weight.
    """
    if name not in params.experiments:
        expected = "one of " + ", ".join(params.experiments)
        raise ParamsError("EXPERIMENT", f"no experiment '{name}'", expected=expected)
    edition = read_edition(params.experiments[name].edition)
    clips = read_clips(root / "data" / edition.name / "clips.parquet", edition)
    labels = root / "data/test_labels" / edition.name / "test_labels.csv"
    # Not out of fold: one network is shipped, and not one per fold.
    test = read_test_labels(labels, clips, edition)
    truths = Scoring(params, clips, root / "predictions", test).truths({"val"})
    folder = root / "models" / name
    card = Card(
        format=FORMAT,
        sha256=write_half(ZOO / f"{name}{SUFFIX}", read_weights(folder)),
        licence=LICENCE,
        model=read_metadata(folder),
        data=_data(params, edition.name).model_dump(mode="json"),
        recipe=params.recipes[params.experiments[name].recipe].model_dump(mode="json"),
        hours=_hours(root / f"runs/train-{name}.json", len(clips.split("train"))),
        scores=_scores(truths, root / "predictions/experiments" / name),
    )
    write_json(ZOO / f"{name}.json", card)
    return card


def _data(params: Params, edition: str) -> GesturesSpec | ActionsSpec:
    found = params.synthetic.get(edition) or params.synthetic_ma52.get(edition)
    if found is None:
        raise ParamsError(edition, "is not generated: the zoo holds networks of generated people")
    return found


def _hours(record: Path, train_clips: int) -> float:
    """Add up the training steps of all epochs; a stop in between does not count."""
    speeds = [p.value for run in read_records(record) for p in run.metrics if p.key == "clips_s"]
    return round(sum(train_clips / speed for speed in speeds) / 3600, 2)


def _scores(truths: Sequence[GroundTruth], folder: Path) -> dict[str, float]:
    """Score validation and, if its labels are known, test: percent with two decimals."""
    scores = {}
    for truth in truths:
        file = folder / f"{truth.split}.parquet"
        p = truth.joined(read_probabilities(file), where=str(file))
        metrics = score(p, truth.label)
        for key in ("top1", "macro_f1"):
            scores[f"{truth.split}_{key}"] = round(100 * getattr(metrics, key), 2)
    return scores
