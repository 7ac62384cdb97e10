"""How good the tiny depth network is on generated people whom it has never seen.

That of the zoo, or another one that `mgbench zoo depth` trained; one row a method:

    python tests/bench/depth.py --card depth.json
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import torch

from benchmark.core.files import write_png
from benchmark.core.half_precision import ZOO
from benchmark.modalities.depth.tiny import TinyDepth
from benchmark.modalities.depth.tiny_judging import UnseenFrames, film_unseen, judge
from benchmark.modalities.depth.tiny_judging import sheet as depth_sheet
from benchmark.modalities.depth.tiny_training import film_examples, mean_map
from benchmark.params.params import read_params


def row(name: str, guesses: np.ndarray, seen: UnseenFrames) -> str:
    """One method's means over the frames."""
    person, frame, error, error_frame = judge(guesses, seen)
    return f"{name:<10} {person:10.3f} {frame:9.3f} {100 * error:13.2f} {100 * error_frame:12.2f}"


def speed(depth: Callable[[np.ndarray], np.ndarray], frames: np.ndarray) -> float:
    """Frames per second."""
    depth(frames[:16])
    start = time.perf_counter()
    depth(frames)
    return len(frames) / (time.perf_counter() - start)


@click.command()
@click.option("--card", type=click.Path(path_type=Path), default=ZOO / "depth.json")
@click.option("--sheet", type=click.Path(path_type=Path), help="A PNG of predicted maps.")
@click.option("--per-person", default=6, show_default=True, help="Frames of each unseen person.")
def main(card: Path, sheet: Path | None, per_person: int) -> None:
    """Print rank correlation and relative error, of the network and of two that see nothing."""
    people = read_params(Path("params.yaml")).synthetic["mimic"]
    net = TinyDepth.load(card)
    torch.set_num_threads(1)
    spec = net.spec
    seen = film_unseen(people, {"val", "test"}, spec.backdrop_metres, per_person)
    guesses = net.depth(seen.frames)
    height, width = seen.frames.shape[1:3]
    flat = mean_map(film_examples(spec, people), (height, width))
    click.echo(
        f"{len(seen.frames)} frames of {people.val_people + people.test_people} unseen people, "
        f"{width}x{height}; {speed(net.depth, seen.frames):.0f} frames/s on one core"
    )
    click.echo("           Spearman: person frame  error %: person frame")
    click.echo(row("constant", np.ones_like(guesses), seen))
    click.echo(row("mean map", np.broadcast_to(flat, guesses.shape), seen))
    click.echo(row("tiny net", guesses, seen))
    if sheet:
        write_png(sheet, depth_sheet(seen, guesses))


if __name__ == "__main__":
    main()
