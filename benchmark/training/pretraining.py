"""Stage `pretrain`: pre-train an entry of params.yaml, write weights and reports, track the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from benchmark.contracts.clips import read_clips
from benchmark.core.files import find_root
from benchmark.data.loader import build_views
from benchmark.editions.edition import read_edition
from benchmark.modalities.windows import FRAMES, INDEX, unlabeled
from benchmark.plots import figures
from benchmark.plots.figures import Reconstruction, loss_figure, reconstructions_figure
from benchmark.runtime.distributed import all_gather, device_name, launch
from benchmark.runtime.memory import lack_of_memory_named
from benchmark.runtime.seeding import seed_micro_batch
from benchmark.tracking.provenance import digest_of
from benchmark.tracking.records import NOTE
from benchmark.tracking.run import track
from benchmark.tracking.store import TRAIN
from benchmark.training.checkpoint import Checkpoints, data_key
from benchmark.training.masked_video import PretrainResult, PretrainSpec, pretrain
from benchmark.training.monitor.progress import COST, HISTORY, write_history
from benchmark.weights.initial import is_transductive, write_initial

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from benchmark.params.params import Params

CURVE = "history.png"
PICTURES = "reconstructions.png"
COLUMNS = ("epoch", "train/loss", "lr")
"""Of history.csv. Throughput goes to MLflow alone: it would change the file's bytes."""
MOMENTS = 4
"""Frames shown per window."""


class PretrainPaths(NamedTuple):
    """What one pre-training reads and writes."""

    windows: Path
    init_from: Path
    out: Path
    reports: Path
    record: Path


def run(name: str, params: Params, paths: PretrainPaths) -> None:
    """Pre-train an entry, from its last checkpoint if an earlier call was stopped.

    Raises:
        TrainingError: The loss or the gradient is not finite, or the processes cannot share a step.
        FormatError: The windows or the initial weights cannot be read.
    """
    spec = build_spec(name, params, paths)
    with lack_of_memory_named(name, f"pretraining.{name}.recipe", spec.entry.recipe):
        _run(name, spec, paths)


def build_spec(name: str, params: Params, paths: PretrainPaths) -> PretrainSpec:
    """Collect everything that an entry of `pretraining` refers to."""
    entry = params.pretraining[name]
    windows = params.windows[entry.windows]
    modality = params.modalities[windows.modality]
    clips = read_clips(paths.windows / INDEX, unlabeled(read_edition(windows.edition)))
    frames = paths.windows / FRAMES
    network_input = entry.input.with_numbers(modality, frames, clips)
    entry = entry.model_copy(update={"input": network_input})
    transductive = windows.transductive or is_transductive(paths.init_from)
    return PretrainSpec(
        entry, modality, frames, paths.init_from, clips, params.seed, transductive=transductive
    )


def _run(name: str, spec: PretrainSpec, paths: PretrainPaths) -> None:
    """Pre-train, and let rank 0 write all files."""
    root, fabric = find_root(), launch(spec.entry.recipe)
    hashes = root / ".ckpt" / "hashes.json"
    # Rank 0 reads the data for all: they may be hundreds of gigabytes.
    data = data_key((spec.frames, paths.init_from), hashes) if fabric.is_global_zero else ""
    checkpoints = Checkpoints(root / ".ckpt", name, _key(spec, all_gather(fabric, data)[0]))
    if not fabric.is_global_zero:
        pretrain(spec, fabric, checkpoints, lambda epoch, row: None)
        return
    files = (HISTORY, CURVE, PICTURES, COST)
    with track(
        root,
        experiment=TRAIN,
        name=f"pretrain@{name}",
        params=_tracked_params(name, spec, fabric) | {"transductive": spec.transductive},
        tags={"kind": "pretraining", "edition": spec.clips.edition, NOTE: _described(name, spec)},
        record=paths.record,
        artifacts=[paths.reports / file for file in files],
    ) as tracked:

        def report(epoch: int, row: dict[str, float]) -> None:
            tracked.metrics(epoch, {key: value for key, value in row.items() if key != "epoch"})

        result = pretrain(spec, fabric, checkpoints, report)
        tracked.tag("initial_weights", result.initial_weights)
        clips, history = spec.entry.recipe.repeats * len(spec.clips), result.progress.history
        device = device_name(fabric.device)
        write_history(paths.reports, COLUMNS, history, result.weights, clips, device=device)
        curve = loss_figure([row["train/loss"] for row in history])
        figures.save(curve, paths.reports / CURVE)
        pictures = reconstructions_figure(reconstructions(result, spec))
        figures.save(pictures, paths.reports / PICTURES)
        # The weights last: their presence says that the pre-training is complete.
        write_initial(
            paths.out, result.weights, checkpoint_format="masked_video", origin=name,
            transductive=spec.transductive,
        )  # fmt: skip
    checkpoints.clear()


def _key(spec: PretrainSpec, data: str) -> dict[str, str]:
    """Return all that the result depends on, as text: a checkpoint fits no other training."""
    return {
        "pretraining": spec.entry.model_dump_json(),
        "modality": spec.modality.model_dump_json(),
        "seed": str(spec.seed),
        "windows": repr(spec.clips),
        "data or initial weights": data,
        "code": digest_of(
            spec.entry, start=["benchmark.training.pretraining"], alone=[spec.modality]
        ),
        "release of torch": torch.__version__,
    }


def _tracked_params(name: str, spec: PretrainSpec, fabric: Fabric) -> dict[str, object]:
    return {
        "pretraining": name,
        "seed": spec.seed,
        "windows_count": len(spec.clips),
        **spec.entry.model_dump(mode="json"),
        "lr": spec.entry.recipe.lr,
        "device": device_name(fabric.device),
        "processes": fabric.world_size,
    }


def _described(name: str, spec: PretrainSpec) -> str:
    entry = spec.entry
    return (
        f"{name}: masked pre-training on {len(spec.clips)} windows ({entry.windows}), starting from"
        f" {entry.init_from}; {100 * entry.masking.ratio:g} % hidden, {entry.recipe.epochs} epochs."
    )


def reconstructions(result: PretrainResult, spec: PretrainSpec) -> list[Reconstruction]:
    """Draw some windows, spread over the list: whole, with hidden parts, with these predicted."""
    model, entry, ids = result.model.eval(), spec.entry, spec.clips.ids
    views = build_views(entry.input, spec.modality, spec.frames, spec.clips)
    device = next(model.parameters()).device
    drawn = []
    places = np.linspace(0, len(ids) - 1, min(entry.pictures, len(ids))).round().astype(int)
    for number, place in enumerate(places):
        frames = views.test(ids[place], quick=True).views[0][:1]
        seed_micro_batch(spec.seed, 0, number)  # the same places are hidden in every run
        split = model.draw(1, device)
        painted = model.painted((torch.from_numpy(frames).to(device),), split)
        moments = np.linspace(0, frames.shape[1] - 1, MOMENTS).round().astype(int)
        rows = [part[0].cpu().numpy()[moments] for part in painted]
        drawn.append(Reconstruction(ids[place], *rows))
    return drawn
