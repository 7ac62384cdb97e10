"""One experiment from params.yaml: train it, keep the model, the curves and the run's record."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import torch

from benchmark.editions import read_edition
from benchmark.evaluation import figures
from benchmark.evaluation.metrics import confusion, score
from benchmark.files import write_text
from benchmark.tracking import TRAIN, Run, find_root, track
from benchmark.training.checkpoint import FORMAT, Checkpoints, ModelCard, write_model
from benchmark.training.loop import Task, Trained, train
from benchmark.training.normalisation import with_numbers

if TYPE_CHECKING:
    from benchmark.clips import Clips
    from benchmark.editions import Edition
    from benchmark.params import Params

HISTORY = "history.csv"
CURVES = "history.png"
CONFUSION = "confusion.png"
COLUMNS = ("epoch", "train/loss", "train/top1", "val/loss", "val/top1", "lr")
"""Of history.csv. Throughput goes to MLflow only: it would change the file's bytes."""
PERCENT = 100


class Places(NamedTuple):
    """What a training reads and writes."""

    media: Path
    out: Path
    reports: Path
    record: Path


def run(name: str, params: Params, clips: Clips, places: Places) -> None:
    """Train experiment `name`, going on where an earlier call was stopped.

    Raises:
        TrainingError: The loss is not finite.
        FormatError: The media cannot be read.
    """
    root = find_root()
    experiment = params.experiments[name]
    spec = with_numbers(experiment.input, places.media, clips)
    experiment = experiment.model_copy(update={"input": spec})
    edition = read_edition(experiment.edition)
    recipe = params.recipes[experiment.recipe]
    task = Task(
        experiment=experiment,
        recipe=recipe,
        media=params.all_media[experiment.media],
        media_folder=places.media,
        clips=clips,
        num_classes=len(edition.classes),
        seed=params.seed,
    )
    checkpoints = Checkpoints(root / ".ckpt", name, *_key(task, places))
    artifacts = [places.reports / file for file in (HISTORY, CURVES, CONFUSION)]
    with track(
        root,
        experiment=TRAIN,
        name=f"train@{name}",
        params=_knobs(name, task),
        tags={"kind": "training", "edition": f"{edition.name}/{edition.version}"},
        record=places.record,
        artifacts=artifacts,
    ) as tracked:
        trained = train(task, checkpoints, lambda epoch, row: _report(tracked, epoch, row))
        _write(trained, task, edition, name, places)
        _final(tracked, trained, task)
    checkpoints.clear()


def _key(task: Task, places: Places) -> tuple[str, ...]:
    """Everything that the result hangs on, as text: knobs, clips, media, code, torch."""
    media = sorted(
        (path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in places.media.iterdir()
    )
    return (
        task.experiment.model_dump_json(),
        task.recipe.model_dump_json(),
        task.media.model_dump_json(),
        str(task.seed),
        repr(task.clips),
        repr(media),
        _code(),
        torch.__version__,
    )


def _code() -> str:
    """Hash of the sources that training runs through."""
    digest = hashlib.sha256()
    for folder in ("training", "models", "modalities"):
        for path in sorted((Path(__file__).parents[1] / folder).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _knobs(name: str, task: Task) -> dict[str, object]:
    return {
        "experiment": name,
        "edition": task.experiment.edition,
        "seed": task.seed,
        "media": task.media.model_dump(mode="json"),
        "input": task.experiment.input.model_dump(mode="json"),
        "backbone": task.experiment.backbone.model_dump(mode="json"),
        "recipe": {"name": task.experiment.recipe, **task.recipe.model_dump(mode="json")},
    }


def _report(tracked: Run, epoch: int, row: dict[str, float]) -> None:
    """One epoch to MLflow: scores in per cent, two decimals."""
    shown = {key: value for key, value in row.items() if key != "epoch"}
    for key in ("train/top1", "val/top1"):
        shown[key] = round(PERCENT * shown[key], 2)
    tracked.metrics(epoch, shown)


def _final(tracked: Run, trained: Trained, task: Task) -> None:
    metrics = score(trained.val, task.clips.split("val").labels())
    names = ("top1", "top5", "macro_f1", "mean_acc")
    scores = {name: round(PERCENT * getattr(metrics, name), 2) for name in names}
    tracked.metrics(trained.epoch, scores)


def _write(trained: Trained, task: Task, edition: Edition, name: str, places: Places) -> None:
    """Curves and pictures first, the model last: it says that the training is complete."""
    history = trained.progress.history
    write_text(places.reports / HISTORY, _csv(history))
    curves = figures.history_figure(
        pd.DataFrame(history), losses=["train/loss", "val/loss"], scores=["train/top1", "val/top1"]
    )
    figures.save(curves, places.reports / CURVES)
    labels = task.clips.split("val").labels()
    matrix = confusion(trained.val, labels, len(edition.classes))
    figures.save(figures.confusion_figure(matrix, edition.classes), places.reports / CONFUSION)
    card = ModelCard(
        format=FORMAT,
        experiment=name,
        edition=edition.name,
        classes=edition.classes,
        media=task.media,
        input=task.experiment.input,
        backbone=task.experiment.backbone,
        seed=task.seed,
        epoch=trained.epoch,
        val_top1=score(trained.val, labels).top1,
    )
    write_model(places.out, card, trained.weights)


def _csv(history: list[dict[str, float]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([json.dumps(row[column]) for column in COLUMNS] for row in history)
    return text.getvalue()
