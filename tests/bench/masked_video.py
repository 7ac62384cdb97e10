"""Masked pre-training: its speed against the whole encoder's, and what it is worth on mimic.

    python tests/bench/masked_video.py speed          # clips per second, side by side
    python tests/bench/masked_video.py speed --full   # ViT-S on 16 x 224 x 224 too
    python tests/bench/masked_video.py gain           # pre-trained against scratch, three seeds

`gain` runs in a project of preset masked whose data are prepared: `dvc repro prepare windows`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev

import click
import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor

from benchmark.contracts.clips import read_clips
from benchmark.data.normalization import DatasetNorm
from benchmark.editions.edition import read_edition
from benchmark.evaluation.metrics import score
from benchmark.models.masked_autoencoder import MaskedAutoencoder
from benchmark.models.masking import DecoderSize
from benchmark.models.network import build
from benchmark.params.params import Params, Pretraining, read_params
from benchmark.presets.preset import PAPER
from benchmark.runtime.distributed import alone
from benchmark.training.checkpoint import Checkpoints
from benchmark.training.experiment import TrainPaths, build_train_spec
from benchmark.training.loop import train
from benchmark.training.masked_video import pretrain
from benchmark.training.pretraining import PretrainPaths, build_spec
from benchmark.weights.initial import write_initial, write_no_weights

NORM = DatasetNorm(kind="dataset", mean=(120.0, 110.0, 100.0), std=(60.0, 50.0, 40.0))
ROUNDS = 7


@click.group()
def main() -> None:
    """Measure masked pre-training."""


@main.command()
@click.option("--full", is_flag=True, help="Measure ViT-S on 16 frames of 224 pixels too.")
@click.option("--threads", default=1, show_default=True)
def speed(full: bool, threads: int) -> None:
    """Print clips per second of pre-training and of a whole forward and backward pass."""
    torch.set_num_threads(threads)
    small = read_params(PAPER.with_name("masked.yaml")).pretraining["masked"]
    compare("preset masked", small, clips=8)
    if full:
        changes = {"embed_dims": 384, "depth": 12, "num_heads": 6}
        decoder = DecoderSize(embed_dims=192, depth=4, num_heads=3)
        entry = small.model_copy(
            update={
                "backbone": small.backbone.model_copy(update=changes),
                "input": small.input.model_copy(update={"frames": 16, "size": 224}),
                "masking": small.masking.model_copy(update={"decoder": decoder}),
            }
        )
        compare("ViT-S 16 x 224", entry, clips=1)


def compare(name: str, entry: Pretraining, clips: int) -> None:
    """Take turns, so that other work on the machine disturbs both alike; the median decides."""
    view = entry.input.model_copy(update={"normalization": NORM})
    masked = MaskedAutoencoder(entry.backbone, view, entry.masking)
    whole = build(entry.backbone, view, None, num_classes=32)
    shape = (clips, view.frames, view.size, view.size, 3)
    x = (torch.randint(0, 256, shape, dtype=torch.uint8),)
    passes: list[Callable[[], Tensor]] = [lambda: masked(x), lambda: whole(x).logsumexp(-1).sum()]
    seconds = np.array([[timed(one) for one in passes] for _ in range(ROUNDS)])
    first, second = clips / np.median(seconds, axis=0)
    ratios = seconds[:, 1] / seconds[:, 0]
    click.echo(
        f"{name}, {entry.masking.ratio:g} hidden: {first:.1f} clips/s, whole {second:.1f};"
        f" {np.median(ratios):.2f} times ({ratios.min():.2f} to {ratios.max():.2f})"
    )


def timed(one: Callable[[], Tensor]) -> float:
    began = time.perf_counter()
    one().backward()
    return time.perf_counter() - began


@main.command()
@click.option("--seeds", default="1,2,3", show_default=True)
def gain(seeds: str) -> None:
    """Print top-1 of validation with and without pre-training, and the mean gain."""
    params, gains = read_params(Path("params.yaml")), []
    for seed in map(int, seeds.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            scores = both(params.model_copy(update={"seed": seed}), Path(folder))
        gains.append(scores[1] - scores[0])
        click.echo(f"seed {seed}: scratch {scores[0]:.2f} %, pre-trained {scores[1]:.2f} %")
    half = student.ppf(0.975, len(gains) - 1) * stdev(gains) / len(gains) ** 0.5
    click.echo(f"gain {mean(gains):+.2f} points, 95 % interval +- {half:.2f} (mimic, generated)")


def both(params: Params, root: Path) -> tuple[float, float]:
    """Train from scratch and after pre-training; top-1 in percent."""
    write_no_weights(root / "scratch")
    windows = Path("data/windows") / params.pretraining["masked"].windows
    spec = build_spec("masked", params, PretrainPaths(windows, root / "scratch", root, root, root))
    checkpoints = Checkpoints(root / "ckpt", "masked", {})
    done = pretrain(spec, alone(spec.entry.recipe), checkpoints, lambda epoch, row: None)
    write_initial(
        root / "masked",
        done.weights,
        checkpoint_format="masked_video",
        origin="masked",
        transductive=False,
    )
    return top1("vit_scratch", params, root), top1("vit_masked", params, root)


def top1(name: str, params: Params, root: Path) -> float:
    run = params.experiments[name]
    data = Path("data") / run.edition
    clips = read_clips(data / "clips.parquet", read_edition(run.edition))
    paths = TrainPaths(data / run.modality, root / run.init_from, root, root, root)
    spec = build_train_spec(name, params, clips, paths)
    checkpoints = Checkpoints(root / "ckpt", name, {})
    result = train(spec, alone(spec.recipe), checkpoints, lambda epoch, row: None)
    return 100 * score(result.val, clips.split("val").labels()).top1


if __name__ == "__main__":
    main()
