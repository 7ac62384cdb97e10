"""Frozen features and probes: seconds to cache clips once, and to train a grid of 20 probes.

    python tests/bench/probes.py PROJECT --clips 1000

PROJECT has the raw archive and the index of mimic (`dvc repro index`); nothing is written there.
The features are those of preset beyond, from a network of the zoo.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.clips import Clips, read_clips
from benchmark.editions.edition import read_edition
from benchmark.params.params import Params, read_params
from benchmark.presets.preset import PAPER
from benchmark.runtime.distributed import alone
from benchmark.runtime.parallel import usable_cores
from benchmark.training.checkpoint import Checkpoints
from benchmark.training.experiment import TrainPaths, build_train_spec
from benchmark.training.loop import train
from benchmark.weights.initial import write_no_weights


@click.command()
@click.argument("project", type=click.Path(exists=True, path_type=Path))
@click.option("--clips", "count", default=1000, show_default=True)
def main(project: Path, count: int) -> None:
    """Print the seconds of both parts, and top-1 of the best probe on validation."""
    params, edition = read_params(PAPER.with_name("beyond.yaml")), read_edition("mimic")
    index = read_clips(project / "data/mimic/clips.parquet", edition)
    clips = Clips("mimic", tuple(sorted(index, key=lambda clip: clip.split == "test")[:count]))
    with tempfile.TemporaryDirectory() as folder:
        root, began = Path(folder), spent()
        params.modalities["seen"].prepare(
            project / "data/raw/mimic", edition, clips, root / "seen", workers=usable_cores()
        )
        cached = spent() - began
        click.echo(f"{len(clips)} clips cached by {usable_cores()} processes: {told(cached)}")
        for name in ("probe_linear", "probe_attentive"):
            probe(name, params, clips, root, cached)


def spent() -> NDArray[np.float64]:
    """Return seconds on the clock, and of processor time of this process and its children."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(who) for who in whose]
    return np.array([time.perf_counter(), sum(one.ru_utime + one.ru_stime for one in used)])


def told(seconds: NDArray[np.float64]) -> str:
    return f"{seconds[0]:.1f} s, {seconds[1]:.1f} s of processor time"


def probe(name: str, params: Params, clips: Clips, root: Path, cached: NDArray[np.float64]) -> None:
    """Train one grid and print what it took."""
    write_no_weights(root / "scratch")
    paths = TrainPaths(root / "seen", root / "scratch", root, root, root)
    spec, began = build_train_spec(name, params, clips, paths), spent()
    (root / name).mkdir()
    checkpoints = Checkpoints(root / name, name, {})
    done = train(spec, alone(spec.recipe), checkpoints, lambda epoch, row: None)
    seconds, best = spent() - began, max(x["val/top1"] for x in done.progress.history)
    click.echo(
        f"{name}: {spec.experiment.backbone.options} probes of {len(clips.split('train'))} clips,"
        f" {spec.recipe.epochs} epochs: {told(seconds)}; with the features"
        f" {told(cached + seconds)};"
        f" best top-1 on validation {100 * best:.1f} % (mimic, generated)"
    )


if __name__ == "__main__":
    main()
