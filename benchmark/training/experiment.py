"""One experiment from params.yaml: train it, keep the model, the curves and the run's record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import torch

from benchmark.core.files import csv_text, write_text
from benchmark.editions.edition import read_edition
from benchmark.evaluation.metrics import confusion, score
from benchmark.evaluation.per_class import by_class
from benchmark.plots import figures
from benchmark.runtime.distributed import device_name, launch
from benchmark.tracking.provenance import digest_of
from benchmark.tracking.run import Run, track
from benchmark.tracking.store import TRAIN, find_root
from benchmark.training.checkpoint import Checkpoints
from benchmark.training.loop import train
from benchmark.training.monitor.samples import samples
from benchmark.training.task import TrainSpec
from benchmark.weights.model_folder import FORMAT, ModelMetadata, write_model

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from benchmark.contracts.clips import Clips
    from benchmark.evaluation.metrics import Metrics
    from benchmark.params.params import Params
    from benchmark.training.task import TrainResult

HISTORY = "history.csv"
CURVES = "history.png"
CONFUSION = "confusion.png"
CLASSES = "classes.csv"
SAMPLES = "samples.png"
COLUMNS = (
    "epoch", "train/loss", "train/top1", "val/loss", "val/top1", "val/macro_f1", "val/mean_acc",
    "lr",
)  # fmt: skip
"""Of history.csv. Throughput goes to MLflow only: it would change the file's bytes."""
PERCENT = 100


class Places(NamedTuple):
    """What a training reads and writes."""

    modality: Path
    init_from: Path
    out: Path
    reports: Path
    record: Path


def run(name: str, params: Params, clips: Clips, places: Places) -> None:
    """Train experiment `name`, going on where an earlier call was stopped.

    Raises:
        TrainingError: The loss or the gradient is not finite, or the processes cannot share a step.
        FormatError: The modality or the weights to start from cannot be read.
    """
    root = find_root()
    task = build_train_spec(name, params, clips, places)
    fabric = launch(task.recipe)
    checkpoints = Checkpoints(root / ".ckpt", name, *_key(task, places))
    if not fabric.is_global_zero:
        train(task, fabric, checkpoints, lambda epoch, row: None)
        return
    edition = read_edition(task.experiment.edition)
    artifacts = [places.reports / file for file in (HISTORY, CURVES, CONFUSION, CLASSES, SAMPLES)]
    with track(
        root,
        experiment=TRAIN,
        name=f"train@{name}",
        params=_knobs(name, task, fabric),
        tags={"kind": "training", "edition": f"{edition.name}/{edition.version}"},
        record=places.record,
        artifacts=artifacts,
    ) as tracked:
        trained = train(task, fabric, checkpoints, lambda epoch, row: _report(tracked, epoch, row))
        tracked.tag("start", trained.start)
        metrics = score(trained.val, task.clips.split("val").labels())
        _write_reports(trained, task, places)
        # The model last: it says that the training is complete.
        write_model(places.out, _card(name, trained, task, metrics), trained.weights)
        _final(tracked, trained, metrics)
    checkpoints.clear()


def build_train_spec(name: str, params: Params, clips: Clips, places: Places) -> TrainSpec:
    """Experiment `name` of params.yaml with everything that it names."""
    experiment = params.experiments[name]
    modality = params.all_modalities[experiment.modality]
    spec = experiment.input.with_numbers(modality, places.modality, clips)
    experiment = experiment.model_copy(update={"input": spec})
    return TrainSpec(
        experiment=experiment,
        recipe=params.recipes[experiment.recipe],
        modality=modality,
        modality_folder=places.modality,
        init_folder=places.init_from,
        clips=clips,
        classes=read_edition(experiment.edition).classes,
        seed=params.seed if experiment.seed is None else experiment.seed,
    )


def _key(task: TrainSpec, places: Places) -> tuple[str, ...]:
    """Everything that the result hangs on, as text: knobs, clips, modality, code, torch."""
    read = [
        path for place in (places.modality, places.init_from) for path in sorted(place.rglob("*"))
    ]
    files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in read]
    return (
        task.experiment.model_dump_json(),
        task.recipe.model_dump_json(),
        task.modality.model_dump_json(),
        str(task.seed),
        repr(task.clips),
        repr(files),
        _code(task),
        torch.__version__,
    )


def _code(task: TrainSpec) -> str:
    """Hash the sources that this training runs through."""
    return digest_of(task.experiment, task.recipe, task.modality, start=["benchmark.training.loop"])


def _knobs(name: str, task: TrainSpec, fabric: Fabric) -> dict[str, object]:
    return {
        "experiment": name,
        "edition": task.experiment.edition,
        "seed": task.seed,
        "modality": task.modality.model_dump(mode="json"),
        "input": task.experiment.input.model_dump(mode="json"),
        "backbone": task.experiment.backbone.model_dump(mode="json"),
        "recipe": {"name": task.experiment.recipe, **task.recipe.model_dump(mode="json")},
        "lr": task.recipe.lr,
        "init_from": task.experiment.init_from,
        "device": device_name(fabric.device),
        "processes": fabric.world_size,
    }


def _report(tracked: Run, epoch: int, row: dict[str, float]) -> None:
    """One epoch to MLflow: scores in per cent, two decimals."""
    shown = {key: value for key, value in row.items() if key != "epoch"}
    for key in ("train/top1", "val/top1", "val/macro_f1", "val/mean_acc", "wait_share", "mfu"):
        shown[key] = round(PERCENT * shown[key], 2)
    tracked.metrics(epoch, shown)


def _final(tracked: Run, trained: TrainResult, metrics: Metrics) -> None:
    names = ("top1", "top5", "macro_f1", "mean_acc")
    scores = {name: round(PERCENT * getattr(metrics, name), 2) for name in names}
    tracked.metrics(trained.epoch, scores)


def _write_reports(trained: TrainResult, task: TrainSpec, places: Places) -> None:
    """Curves, tables and pictures."""
    history = trained.progress.history
    write_text(places.reports / HISTORY, _csv(history))
    scores = ["train/top1", "val/top1", "val/macro_f1"]
    losses = ["train/loss", "val/loss"]
    curves = figures.history_figure(pd.DataFrame(history), losses=losses, scores=scores)
    figures.save(curves, places.reports / CURVES)
    labels = task.clips.split("val").labels()
    matrix = confusion(trained.val, labels, len(task.classes))
    figures.save(figures.confusion_figure(matrix, task.classes), places.reports / CONFUSION)
    known = by_class(trained.val, labels, task.clips.split("train").labels(), task.classes)
    write_text(places.reports / CLASSES, known.to_csv(index=False, float_format="%.4f"))
    seen = figures.samples_figure(samples(task, trained.val))
    figures.save(seen, places.reports / SAMPLES)


def _card(name: str, trained: TrainResult, task: TrainSpec, metrics: Metrics) -> ModelMetadata:
    return ModelMetadata(
        format=FORMAT,
        experiment=name,
        edition=task.experiment.edition,
        classes=task.classes,
        modality=task.modality,
        input=task.experiment.input,
        backbone=task.experiment.backbone,
        start=trained.start,
        seed=task.seed,
        epoch=trained.epoch,
        metric=task.recipe.select_checkpoint.metric,
        val_metric=getattr(metrics, task.recipe.select_checkpoint.metric),
    )


def _csv(history: list[dict[str, float]]) -> str:
    return csv_text(COLUMNS, ([json.dumps(row[column]) for column in COLUMNS] for row in history))
