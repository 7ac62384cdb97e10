"""How much a network learns from how many clips: top-1 of validation, clips x epochs.

Run it in a project of preset zoo whose data are prepared (docs/zoo.md):

    python tests/bench/learning_curve.py joint --clips 750,1500,3000,6000,12000 --epochs 4,12
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click
import numpy as np

from benchmark.contracts.clips import Clips, read_clips
from benchmark.editions.edition import read_edition
from benchmark.evaluation.metrics import score
from benchmark.params.params import read_params
from benchmark.runtime.distributed import alone
from benchmark.training.checkpoint import Checkpoints
from benchmark.training.experiment import TrainPaths, build_train_spec
from benchmark.training.loop import train
from benchmark.weights.initial import write_no_weights


def part(clips: Clips, count: int) -> Clips:
    """Keep `count` training clips, of all videos alike; the others count as test."""
    ids = clips.split("train").ids
    rest = {*np.random.default_rng(0).permutation(ids)[count:].tolist()}
    return Clips(
        clips.edition,
        tuple(replace(clip, split="test") if clip.clip_id in rest else clip for clip in clips),
    )


@click.command()
@click.argument("experiment")
@click.option("--clips", "counts", default="750,1500,3000,6000,12000", show_default=True)
@click.option("--epochs", default="4,12", show_default=True)
@click.option("--start", help="Folder of a model to start from, instead of none.")
def main(experiment: str, counts: str, epochs: str, start: str | None) -> None:
    """Train EXPERIMENT on parts of its training clips and print a row for each."""
    params = read_params(Path("params.yaml"))
    of = params.experiments[experiment]
    data = Path("data") / of.edition
    clips = read_clips(data / "clips.parquet", read_edition(of.edition))
    click.echo(f"{experiment}: top-1, macro-F1 of validation in percent, seconds")
    for count in map(int, counts.split(",")):
        for number in map(int, epochs.split(",")):
            begun = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder)
                write_no_weights(root / "scratch")
                paths = TrainPaths(
                    data / of.modality, Path(start) if start else root / "scratch", root, root, root
                )
                recipe = params.recipes[of.recipe].model_copy(update={"epochs": number})
                changed = params.model_copy(
                    update={"recipes": params.recipes | {of.recipe: recipe}}
                )
                spec = build_train_spec(experiment, changed, part(clips, count), paths)
                checkpoints = Checkpoints(root / "ckpt", experiment, {"run": f"{count} {number}"})
                result = train(spec, alone(recipe), checkpoints, lambda epoch, row: None)
            metrics = score(result.val, spec.clips.split("val").labels())
            click.echo(
                f"{count:>6} clips {number:>3} epochs {100 * metrics.top1:6.2f} "
                f"{100 * metrics.macro_f1:6.2f} {time.perf_counter() - begun:6.0f} s"
            )


if __name__ == "__main__":
    main()
