"""Every experiment of params.yaml on a tiny real archive, for tests of training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.editions.edition import read_edition
from benchmark.modalities.depth.depth import DepthModality
from benchmark.modalities.union import Modality
from benchmark.params.params import Experiment, read_params
from benchmark.params.recipes import Recipe
from benchmark.runtime.distributed import alone
from benchmark.training.checkpoint import Checkpoints
from benchmark.training.loop import train
from benchmark.training.state import TrainResult, TrainSpec
from benchmark.weights.initial import write_no_weights
from conftest import REPO
from tiny_archive import write_archive

MIMIC = read_edition("mimic")
PARAMS = read_params(REPO / "params.yaml")


class Prepared:
    """A raw archive of a few clips, and the prepared data of each experiment, made on first use."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.raw = write_archive(root / "raw")
        self.clips: Clips = open_archive(self.raw, MIMIC).read(excluded=(), workers=1)
        write_no_weights(root / "scratch")

    def modality(self, name: str) -> tuple[Modality, Path]:
        """Return spec and folder of modality `name` of params.yaml."""
        spec = PARAMS.modalities[name]
        # Pictures of another modality serve as well where a network would be needed.
        if isinstance(spec, DepthModality) or spec.edition != "mimic":
            spec = PARAMS.modalities["rgb"]
            name = "rgb"
        folder = self.root / name
        if not folder.exists():
            spec.prepare(self.raw, MIMIC, self.clips, folder, workers=1)
        return spec, folder

    def train_spec(self, name: str, **recipe: object) -> TrainSpec:
        """Return experiment `name`, trained from scratch, with changes to its recipe."""
        experiment = PARAMS.experiments[name]
        changes = {
            "epochs": 2, "warmup_epochs": 0.5, "batch_size": 5, "micro_batch_size": 5, "threads": 1,
        }  # fmt: skip
        changed = PARAMS.recipes[experiment.recipe].model_copy(update=changes | recipe)
        spec = self.train_spec_of(experiment, changed)
        numbers = experiment.input.with_numbers(spec.modality, spec.modality_folder, self.clips)
        return replace(spec, experiment=experiment.model_copy(update={"input": numbers}))

    def train_spec_of(self, experiment: Experiment, recipe: Recipe) -> TrainSpec:
        """Return any experiment with any recipe, trained from scratch."""
        modality, folder = self.modality(experiment.modality)
        return TrainSpec(
            experiment=experiment,
            recipe=recipe,
            modality=modality,
            modality_folder=folder,
            init_folder=self.root / "scratch",
            clips=self.clips,
            classes=MIMIC.classes,
            seed=3,
        )


def run(
    spec: TrainSpec, root: Path, *, stop_after: int | None = None
) -> tuple[TrainResult, list[int]]:
    """Train on the CPU with checkpoints under `root`; return the epochs that were reported too."""
    reported: list[int] = []

    def report(epoch: int, row: dict[str, float]) -> None:
        reported.append(epoch)
        if epoch == stop_after:
            raise KeyboardInterrupt

    return train(spec, alone(spec.recipe), Checkpoints(root, "x", {"seed": "1"}), report), reported


def same_weights(one: TrainResult, other: TrainResult) -> bool:
    """Whether every tensor has the same bits."""
    return all(torch.equal(one.weights[key], other.weights[key]) for key in one.weights)
