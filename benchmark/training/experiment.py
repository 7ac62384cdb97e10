"""Stage `train`: train one experiment of params.yaml, write model and reports, track the run."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmark.contracts.skeletons import read_layout
from benchmark.core.errors import TrainingError
from benchmark.core.files import csv_text, find_root, write_text
from benchmark.editions.edition import read_edition
from benchmark.evaluation.metrics import Metrics, class_scores, confusion, score
from benchmark.plots import figures
from benchmark.runtime.distributed import all_gather, device_name, launch
from benchmark.runtime.memory import lack_of_memory_named
from benchmark.tracking.provenance import digest_of
from benchmark.tracking.records import edition_tags
from benchmark.tracking.run import Run, track
from benchmark.tracking.store import TRAIN
from benchmark.training.checkpoint import Checkpoints, data_key
from benchmark.training.loop import train
from benchmark.training.monitor.progress import COST, HISTORY, write_history
from benchmark.training.monitor.samples import samples
from benchmark.training.state import TrainResult, TrainSpec, without_validation
from benchmark.weights.initial import is_transductive
from benchmark.weights.model_folder import FORMAT, ModelMetadata, Seen, write_model

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from benchmark.contracts.clips import Clips
    from benchmark.params.params import Params

log = logging.getLogger(__name__)

CURVES = "history.png"
CONFUSION = "confusion.png"
CLASSES = "classes.csv"
SAMPLES = "samples.png"
COLUMNS = (
    "epoch", "train/loss", "train/top1", "val/loss", "val/top1", "val/macro_f1", "val/mean_acc",
    "lr",
)  # fmt: skip
"""Of history.csv. Throughput goes to MLflow alone: it would change the file's bytes."""
PERCENT = 100


class TrainPaths(NamedTuple):
    """What one training reads and writes."""

    modality: Path
    init_from: Path
    out: Path
    reports: Path
    record: Path


def run(
    name: str, params: Params, clips: Clips, paths: TrainPaths, seen: Seen | None = None
) -> None:
    """Train an experiment, from its last checkpoint if an earlier call was stopped.

    Args:
        name: The experiment's name in params.yaml.
        params: The whole of params.yaml.
        clips: The index of the experiment's edition.
        paths: Folders and files to read and write.
        seen: What the network of a fold learns from; None for others.

    Raises:
        TrainingError: The loss or the gradient is not finite, or the processes cannot share a step.
        FormatError: The prepared data or the initial weights cannot be read.
    """
    if not len(clips.split("train")):
        raise TrainingError(name, f"edition {clips.edition} has no clip in train")
    if not len(clips.split("val")):
        log.warning("no clip in val: the last epoch is kept; shown scores are of training clips")
        params, clips = without_validation(name, params, clips)
    spec = replace(build_train_spec(name, params, clips, paths), seen=seen)
    with lack_of_memory_named(name, f"recipes.{spec.experiment.recipe}", spec.recipe):
        _run(name, spec, paths)


def _run(name: str, spec: TrainSpec, paths: TrainPaths) -> None:
    """Train, and let rank 0 write all files."""
    root, fabric = find_root(), launch(spec.recipe)
    # Rank 0 reads the data for all: they may be hundreds of gigabytes.
    hashes, places = root / ".ckpt" / "hashes.json", (paths.modality, paths.init_from)
    data = data_key(places, hashes) if fabric.is_global_zero else ""
    checkpoints = Checkpoints(root / ".ckpt", name, _key(spec, all_gather(fabric, data)[0]))
    # Every process trains; rank 0 alone reports to MLflow and writes files.
    if not fabric.is_global_zero:
        train(spec, fabric, checkpoints, lambda epoch, row: None)
        return
    edition = read_edition(spec.experiment.edition)
    files = (HISTORY, CURVES, CONFUSION, CLASSES, SAMPLES, COST)
    artifacts = [paths.reports / file for file in files]
    with track(
        root,
        experiment=TRAIN,
        name=f"train@{name}",
        params=_tracked_params(name, spec, fabric),
        tags=edition_tags("training", edition, _described(name, spec)),
        record=paths.record,
        artifacts=artifacts,
    ) as tracked:
        result = train(spec, fabric, checkpoints, lambda epoch, row: _report(tracked, epoch, row))
        tracked.tag("initial_weights", result.initial_weights)
        metrics = score(result.val, spec.clips.split("val").labels())
        _write_reports(result, spec, paths, device_name(fabric.device))
        # The model last: its presence says that the training is complete.
        write_model(paths.out, _metadata(name, result, spec, metrics), result.weights)
        names = ("top1", "top5", "macro_f1", "mean_acc")
        scores = {name: round(PERCENT * getattr(metrics, name), 2) for name in names}
        tracked.metrics(result.epoch, scores)
    checkpoints.clear()


def build_train_spec(name: str, params: Params, clips: Clips, paths: TrainPaths) -> TrainSpec:
    """Collect everything that an experiment of params.yaml refers to.

    Args:
        name: The experiment's name.
        params: The whole of params.yaml.
        clips: The index of its edition.
        paths: Of these, the folders of prepared data and initial weights.
    """
    experiment = params.experiments[name]
    modality = params.modalities[experiment.modality]
    network_input = experiment.input.with_numbers(modality, paths.modality, clips)
    experiment = experiment.model_copy(update={"input": network_input})
    edition = read_edition(experiment.edition)
    return TrainSpec(
        experiment=experiment,
        recipe=params.recipes[experiment.recipe],
        modality=modality,
        modality_folder=paths.modality,
        init_folder=paths.init_from,
        clips=clips,
        classes=edition.classes,
        seed=params.seed if experiment.seed is None else experiment.seed,
        group_of=tuple(edition.group_of().tolist()),
    )


def _key(spec: TrainSpec, data: str) -> dict[str, str]:
    """Return all that the result depends on, as text: a checkpoint fits no other training."""
    return {
        "experiment": spec.experiment.model_dump_json(),
        "recipe": spec.recipe.model_dump_json(),
        "modality": spec.modality.model_dump_json(),
        "seed": str(spec.seed),
        "index": repr(spec.clips),
        "groups": repr(spec.group_of),
        "classes": repr(spec.classes),  # equal ones keep the classifier of the initial weights
        "data or initial weights": data,
        "code": digest_of(
            spec.experiment, spec.recipe, start=["benchmark.training.experiment"],
            alone=[spec.modality],
        ),
        "release of torch": torch.__version__,
    }  # fmt: skip


def _tracked_params(name: str, spec: TrainSpec, fabric: Fabric) -> dict[str, object]:
    return {
        "experiment": name,
        "edition": spec.experiment.edition,
        "seed": spec.seed,
        "modality": spec.modality.model_dump(mode="json"),
        "input": spec.experiment.input.model_dump(mode="json"),
        "backbone": spec.experiment.backbone.model_dump(mode="json"),
        "head": spec.experiment.head,
        "recipe": {"name": spec.experiment.recipe, **spec.recipe.model_dump(mode="json")},
        "lr": spec.recipe.lr,
        "init_from": spec.experiment.init_from,
        "device": device_name(fabric.device),
        "processes": fabric.world_size,
    }


def _described(name: str, spec: TrainSpec) -> str:
    run = spec.experiment
    return (
        f"{name}: {run.backbone.kind} on {run.modality} of {run.edition}, starting from"
        f" {run.init_from}; recipe {run.recipe}, {spec.recipe.epochs} epochs."
    )


def _report(tracked: Run, epoch: int, row: dict[str, float]) -> None:
    """Send the metrics of one epoch to MLflow, shares in percent with two decimals."""
    shown = {key: value for key, value in row.items() if key != "epoch"}
    for key in ("train/top1", "val/top1", "val/macro_f1", "val/mean_acc", "wait_share", "mfu"):
        shown[key] = round(PERCENT * shown[key], 2)
    tracked.metrics(epoch, shown)


def _write_reports(result: TrainResult, spec: TrainSpec, paths: TrainPaths, device: str) -> None:
    """Write the learning curves, the validation tables, the sample pictures and the cost.

    Args:
        result: Of the training.
        spec: What was trained.
        paths: Of these, the folder of reports.
        device: Name of the processor that trained.
    """
    history = result.progress.history
    recipe = spec.recipe
    clips = recipe.repeats * recipe.views_per_clip * len(spec.clips.split("train"))
    write_history(paths.reports, COLUMNS, history, result.weights, clips, device=device)
    scores = ["train/top1", "val/top1", "val/macro_f1"]
    losses = ["train/loss", "val/loss"]
    curves = figures.history_figure(pd.DataFrame(history), losses=losses, scores=scores)
    figures.save(curves, paths.reports / CURVES)
    labels = spec.clips.split("val").labels()
    matrix = confusion(result.val, labels, len(spec.classes))
    figures.save(figures.confusion_figure(matrix, spec.classes), paths.reports / CONFUSION)
    write_text(paths.reports / CLASSES, _classes_csv(result.val, spec))
    pictures = figures.samples_figure(samples(spec, result.val))
    figures.save(pictures, paths.reports / SAMPLES)


def _classes_csv(p: NDArray[np.float32], spec: TrainSpec) -> str:
    """Format what the network knows of each class; empty where there is nothing to count."""
    count = len(spec.classes)
    found = class_scores(p.argmax(1), spec.clips.split("val").labels(), count)
    train = np.bincount(spec.clips.split("train").labels(), minlength=count)
    shares = np.column_stack([found.recall, found.precision, found.f1])
    rows = [
        [name, train[k], found.clips[k], *("" if np.isnan(x) else f"{x:.4f}" for x in shares[k])]
        for k, name in enumerate(spec.classes)
    ]
    return csv_text(["class", "train_clips", "clips", "recall", "precision", "f1"], rows)


def _metadata(name: str, result: TrainResult, spec: TrainSpec, metrics: Metrics) -> ModelMetadata:
    own = getattr(spec.modality, "layout", "") == "own"
    points = spec.modality.keypoints_folder(spec.modality_folder)
    return ModelMetadata(
        format=FORMAT,
        experiment=name,
        edition=spec.experiment.edition,
        classes=spec.classes,
        modality=spec.modality,
        input=spec.experiment.input,
        backbone=result.backbone,
        groups=spec.head_groups,
        init_from=result.initial_weights,
        seed=spec.seed,
        epoch=result.epoch,
        metric=spec.recipe.select_checkpoint.metric,
        val_metric=getattr(metrics, spec.recipe.select_checkpoint.metric),
        seen=spec.seen,
        own_points=read_layout(points).names if own else None,
        transductive=is_transductive(spec.init_folder),
    )
