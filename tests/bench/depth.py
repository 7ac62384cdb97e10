"""How good the tiny depth network is on generated people whom it has never seen.

Trains it (two minutes on two cores), or takes a folder it was trained into; one row a method:

    python tests/bench/depth.py --model FOLDER
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
import cv2
import numpy as np
import torch
from scipy.stats import rankdata

from benchmark.datasets.mimic.chance import generator
from benchmark.datasets.mimic.plan import plan
from benchmark.datasets.mimic.raster import FAR
from benchmark.datasets.mimic.shoot import Shooting
from benchmark.datasets.mimic.spec import MimicSpec
from benchmark.modalities.depth.tiny import TinyDepth
from benchmark.modalities.depth.tiny_training import film_examples, train
from benchmark.params import read_params
from benchmark.tiny_depth_spec import TinyDepthSpec

SPEC = TinyDepthSpec(
    seed=0, height=90, width=160, channels=(24, 40, 64, 112), takes=300, frames_per_take=6,
    steps=1000, batch_size=8, lr=0.008, edge_weight=0.1, backdrop_metres=1.0, threads=2,
)  # fmt: skip


class Seen(NamedTuple):
    """Frames of people outside of training. Legend: N frames."""

    frames: np.ndarray
    """uint8 (N, H, W, 3)."""
    inverse: np.ndarray
    """(N, H, W) exact 1 / metres; on the backdrop as if it stood where the network's spec says."""
    figure: np.ndarray
    """(N, H, W) whether it is the person: neither backdrop, desk nor what lies on it."""


def film_unseen(people: MimicSpec, backdrop_metres: float, per_person: int) -> Seen:
    """Random frames of every val and test person, at the archive's own size."""
    frames, inverse, figure = [], [], []
    for video in plan(people):
        if video.split == "train":
            continue
        shooting = Shooting(people, video)
        rng = generator(0, "depth bench", video.number)
        for frame in rng.choice(video.num_frames, per_person, replace=False):
            picture = shooting.draw(int(frame))
            row = shooting.camera.rows[frame]
            backdrop = backdrop_metres - float(row[6:9] @ row[9:12])
            depth = np.where(picture.depth < FAR, picture.depth, backdrop)
            frames.append(picture.rgb.copy())
            inverse.append(1 / depth)
            figure.append(person_mask(shooting, int(frame)))
    return Seen(np.stack(frames), np.stack(inverse), np.stack(figure))


def person_mask(shooting: Shooting, frame: int) -> np.ndarray:
    """(H, W) where the body (without hair pieces, cap's peak and pens) is what is seen."""
    from benchmark.datasets.mimic import truth
    from benchmark.datasets.mimic.assets import read_rig

    face = truth._draw(shooting, frame).face[::2, ::2]
    return (face >= 0) & (face < len(read_rig().faces))


def spearman(guess: np.ndarray, true: np.ndarray) -> float:
    """Correlation of ranks; 0 where a guess has only one value."""
    if np.ptp(guess) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(guess), rankdata(true))[0, 1])


def relative_error(guess: np.ndarray, true: np.ndarray, where: np.ndarray) -> float:
    """Mean |depth error| / depth over `where`, after a least-squares scale and shift of the guess
    to the inverse depth of the whole frame."""
    design = np.stack([guess.ravel(), np.ones(guess.size)], 1)
    scale, shift = np.linalg.lstsq(design, true.ravel(), rcond=None)[0]
    fitted = np.maximum(scale * guess + shift, 0.1)
    return float(np.abs(true / fitted - 1)[where].mean())


def row(name: str, guesses: np.ndarray, seen: Seen) -> str:
    """One method's means over the frames."""
    scores = []
    for guess, true, figure in zip(guesses.astype(float), seen.inverse, seen.figure, strict=True):
        everywhere = np.ones_like(figure)
        scores.append(
            (
                spearman(guess[figure], true[figure]), spearman(guess.ravel(), true.ravel()),
                relative_error(guess, true, figure), relative_error(guess, true, everywhere),
            )
        )  # fmt: skip
    person, frame, error, error_frame = np.mean(scores, 0)
    return f"{name:<10} {person:10.3f} {frame:9.3f} {100 * error:13.2f} {100 * error_frame:12.2f}"


def mean_map(spec: TinyDepthSpec, people: MimicSpec, size: tuple[int, int]) -> np.ndarray:
    """(H, W) the mean target of all training frames."""
    mean = film_examples(spec, people).targets.mean(0)
    return cv2.resize(mean, size, interpolation=cv2.INTER_LINEAR)


def speed(depth: Callable[[np.ndarray], np.ndarray], frames: np.ndarray) -> float:
    """Frames per second."""
    depth(frames[:16])
    start = time.perf_counter()
    depth(frames)
    return len(frames) / (time.perf_counter() - start)


def write_sheet(path: Path, seen: Seen, guesses: np.ndarray) -> None:
    """Frame, exact and predicted inverse depth of twelve people side by side."""
    chosen = np.linspace(0, len(seen.frames) - 1, 12).astype(int)
    rows = []
    for k in chosen:
        maps = [_grey(m) for m in (seen.inverse[k], guesses[k])]
        rows.append(np.concatenate([seen.frames[k], *maps], 1))
    sheet = np.concatenate([np.concatenate(rows[i::2]) for i in (0, 1)], 1)
    cv2.imwrite(str(path), np.ascontiguousarray(sheet[:, :, ::-1]))


def _grey(inverse: np.ndarray) -> np.ndarray:
    low, high = np.quantile(inverse, [0.0, 0.995])
    grey = np.clip((inverse - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, 2)


@click.command()
@click.option("--model", type=click.Path(path_type=Path), help="A trained one; else trains one.")
@click.option("--sheet", type=click.Path(path_type=Path), help="A PNG of predicted maps.")
@click.option("--per-person", default=6, show_default=True, help="Frames of each unseen person.")
def main(model: Path | None, sheet: Path | None, per_person: int) -> None:
    """Print rank correlation and relative error, of the network and of two that see nothing."""
    people = read_params(Path("params.yaml")).mimic
    with tempfile.TemporaryDirectory() as scratch:
        if model is None:
            model, start = Path(scratch) / "depth", time.perf_counter()
            train(SPEC, people, model)
            click.echo(f"trained in {time.perf_counter() - start:.0f} s")
        net = TinyDepth.load(model)
    torch.set_num_threads(1)
    spec = net.card.spec
    seen = film_unseen(people, spec.backdrop_metres, per_person)
    guesses = net.depth(seen.frames)
    height, width = seen.frames.shape[1:3]
    flat = mean_map(spec, people, (width, height))
    click.echo(
        f"{len(seen.frames)} frames of {people.val_people + people.test_people} unseen people, "
        f"{width}x{height}; {speed(net.depth, seen.frames):.0f} frames/s on one core"
    )
    click.echo("           Spearman: person frame  error %: person frame")
    click.echo(row("constant", np.ones_like(guesses), seen))
    click.echo(row("mean map", np.broadcast_to(flat, guesses.shape), seen))
    click.echo(row("tiny net", guesses, seen))
    if sheet:
        write_sheet(sheet, seen, guesses)


if __name__ == "__main__":
    main()
