"""Make a trained experiment a network of the zoo: half precision, and a card with its scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark.contracts.clips import index_file, read_clips
from benchmark.contracts.predictions import read_probabilities
from benchmark.contracts.test_labels import answers_file, read_test_labels
from benchmark.core.errors import ParamsError
from benchmark.core.half_precision import LICENSE, SUFFIX, ZOO, write_half
from benchmark.core.schema import write_json
from benchmark.editions.edition import read_edition
from benchmark.evaluation.metrics import score
from benchmark.results.entries import GroundTruth, Scoring
from benchmark.synthetic.spec import TRAINING_BODIES
from benchmark.tracking.records import read_records
from benchmark.weights.cards import FORMAT, Card
from benchmark.weights.model_folder import read_metadata, read_weights
from submission.fusion.fitted import read_fitted, write_fitted

if TYPE_CHECKING:
    import torch

    from benchmark.params.params import Params
    from benchmark.synthetic.spec import ActionsSpec, GesturesSpec


class Trained(NamedTuple):
    """What the zoo takes of an experiment."""

    weights: dict[str, torch.Tensor]
    card: dict[str, object]
    """Fields of its `Card`, but for the hash of the file that is not written yet."""

    @classmethod
    def read(cls, name: str, params: Params, root: Path) -> Trained:
        """Read and check all that a card says; `dvc repro` has trained and predicted.

        Raises:
            ParamsError: There is no such experiment, or it has not learned from generated people of
                training alone.
            FormatError: A file of it is missing or damaged.
        """
        if name not in params.experiments:
            expected = "one of " + ", ".join(params.experiments)
            raise ParamsError("EXPERIMENT", f"no experiment '{name}'", expected=expected)
        edition = read_edition(params.experiments[name].edition)
        data = _data(params, edition.name)
        clips = read_clips(index_file(edition.name, root), edition)
        labels = answers_file(edition.name, root)
        # Not out of fold: one network is shipped, and not one per fold.
        test = read_test_labels(labels, clips, edition)
        truths = Scoring(params, clips, root / "predictions", test).truths({"val"})
        folder = root / "models" / name
        recipe = params.recipes[params.experiments[name].recipe]
        card = {
            "format": FORMAT, "license": LICENSE, "model": read_metadata(folder),
            "data": data.model_dump(mode="json"), "recipe": recipe.model_dump(mode="json"),
            "hours": _hours(root / f"runs/train-{name}.json", len(clips.split("train"))),
            "scores": _scores(truths, root / "predictions/experiments" / name),
        }  # fmt: skip
        return cls(read_weights(folder), card)

    def ship(self, name: str) -> Card:
        """Write weights in half precision and card into the folder of the zoo.

        Raises:
            FormatError: Half precision cannot hold a weight.
        """
        digest = write_half(ZOO / f"{name}{SUFFIX}", self.weights)
        card = Card.model_validate({**self.card, "sha256": digest})
        write_json(ZOO / f"{name}.json", card)
        return card


def ship(
    names: Sequence[str], params: Params, root: Path, *, system: str | None
) -> dict[str, Card]:
    """Replace networks of the zoo by experiments of a project, and `system` by one of its fusions.

    All are read before the first file is replaced: the zoo ships with every installation.

    Args:
        names: The experiments, each the name of a network.
        params: Of the project.
        root: The project, after its `dvc repro`.
        system: The fusion; None to keep the system that ships.

    Raises:
        ParamsError: As `Trained.read`, or there is no such fusion.
        FormatError: As `Trained.read` and `Trained.ship`, or the fusion is missing or damaged.
    """
    if system is not None and system not in params.every_fusion:
        expected = "one of " + ", ".join(params.every_fusion)
        raise ParamsError("--system", f"no fusion '{system}'", expected=expected)
    trained = {name: Trained.read(name, params, root) for name in names}
    fitted = None
    if system is not None:
        fitted = read_fitted(root / f"predictions/fusions/{system}/weights.json")
    cards = {name: one.ship(name) for name, one in trained.items()}
    if fitted is not None:
        write_fitted(fitted, ZOO / "system.json")
    return cards


def _data(params: Params, edition: str) -> GesturesSpec | ActionsSpec:
    found = params.synthetic.get(edition) or params.synthetic_ma52.get(edition)
    if found is None:
        raise ParamsError(edition, "is not generated: the zoo holds networks of generated people")
    if found.bodies() != TRAINING_BODIES:
        wrong = "shows people of mimic's validation and test, whom no network of the zoo has seen"
        do = "Train in preset zoo: docs/zoo.md"
        raise ParamsError(edition, wrong, expected="cast: training", do=do)
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
