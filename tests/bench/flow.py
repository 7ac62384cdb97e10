"""End-point error of OpenCV's optical flow against exact flow, on generated people, one core.

python tests/bench/flow.py
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import cv2
import numpy as np

from benchmark.params.params import read_params
from benchmark.synthetic.film_clip import VideoFilm
from benchmark.synthetic.ground_truth import follow_film
from benchmark.synthetic.plan import generator, plan

Flow = Callable[[np.ndarray, np.ndarray], np.ndarray]

EDGES = (0.0, 0.25, 1.0, 4.0, np.inf)
"""Bounds of the classes of motion, px a frame."""


class Pair(NamedTuple):
    """Two frames, RGB and gray, and the exact flow between them."""

    rgb: tuple[np.ndarray, np.ndarray]
    gray: tuple[np.ndarray, np.ndarray]
    flow: np.ndarray
    valid: np.ndarray
    surface: np.ndarray
    """(H, W) not the backdrop."""


def film_pairs(per_video: int) -> Iterator[Pair]:
    """Neighbouring frames at random places of every validation video of params.yaml."""
    people = read_params(Path("params.yaml")).synthetic["mimic"]
    for video in plan(people):
        if video.split != "val":
            continue
        film = VideoFilm(people, video)
        rng = generator(0, "flow bench", video.number)
        for frame in rng.choice(video.num_frames - 2, per_video, replace=False):
            one, two = follow_film(film, int(frame), int(frame) + 2)
            gray = (_gray(one.rgb), _gray(two.rgb))
            yield Pair((one.rgb, two.rgb), gray, one.flow, one.valid, np.isfinite(one.depth))


def _gray(rgb: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)


def methods() -> dict[str, tuple[Flow, bool]]:
    """Name -> how flow is found, and whether it wants color."""
    presets = {
        "DIS ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
        "DIS fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
        "DIS medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
    }
    farneback: Any = cv2.calcOpticalFlowFarneback
    found: dict[str, tuple[Flow, bool]] = {
        "zero": (lambda a, _: np.zeros((*a.shape[:2], 2), np.float32), False)
    }
    for name, preset in presets.items():
        found[name] = (_calc(cv2.DISOpticalFlow.create(preset)), False)
    for name in ("DIS fast", "DIS medium"):
        found[f"{name}, blur"] = (_blurred(found[name][0]), False)
    found["DIS smooth"] = (_calc(_smooth_dis()), False)
    found["Farneback"] = (
        lambda a, b: farneback(a, b, None, 0.5, 3, 21, 7, 5, 1.1, 0),
        False,
    )  # fmt: skip
    found["SparseToDense"] = (_calc(cv2.optflow.createOptFlow_SparseToDense()), True)
    return found


def _calc(algorithm: Any) -> Flow:  # OpenCV's stubs want a flow to start from
    return lambda a, b: algorithm.calc(a, b, None)


def _blurred(flow: Flow) -> Flow:
    """Less grain first."""
    return lambda a, b: flow(cv2.GaussianBlur(a, (0, 0), 1.5), cv2.GaussianBlur(b, (0, 0), 1.5))


def _smooth_dis() -> Any:
    """DIS at full resolution with a strong smoothness term."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)
    dis.setVariationalRefinementIterations(20)
    dis.setVariationalRefinementAlpha(40)
    return dis


def measure(flow: Flow, pairs: list[Pair], color: bool) -> tuple[list[np.ndarray], float]:
    """Error of every pixel of each pair, and frames a second."""
    errors, seconds = [], 0.0
    for pair in pairs:
        one, two = pair.rgb if color else pair.gray
        start = time.perf_counter()
        guess = flow(one, two)
        seconds += time.perf_counter() - start
        errors.append(np.linalg.norm(guess - pair.flow, axis=2))
    return errors, len(pairs) / max(seconds, 1e-9)


def mean_errors(errors: list[np.ndarray], pairs: list[Pair]) -> list[float]:
    """Mean over all, the surfaces, each class of motion, and what is hidden a frame later."""
    error = np.stack(errors)
    valid, surface = np.stack([p.valid for p in pairs]), np.stack([p.surface for p in pairs])
    speed = np.linalg.norm(np.stack([p.flow for p in pairs]), axis=3)
    parts = [valid, valid & surface]
    parts += [valid & (a <= speed) & (speed < b) for a, b in itertools.pairwise(EDGES)]
    return [float(error[part].mean()) for part in (*parts, ~valid)]


@click.command()
@click.option("--per-video", default=12, show_default=True, help="Pairs of each video.")
def main(per_video: int) -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    pairs = list(film_pairs(per_video))
    speed = np.concatenate([np.linalg.norm(p.flow, axis=2)[p.valid] for p in pairs])
    shares = np.histogram(speed, EDGES)[0] / speed.size
    height, width = pairs[0].valid.shape
    click.echo(f"{len(pairs)} pairs of {width}x{height}; mean end-point error, px")
    names = ("all", "surface", "<0.25", "0.25-1", "1-4", ">4", "hidden", "fps")
    click.echo(f"{'':<16}" + "".join(f"{name:>9}" for name in names))
    click.echo(f"{'% of pixels':<16}{'':18}" + "".join(f"{100 * s:9.2f}" for s in shares))
    for name, (flow, color) in methods().items():
        measure(flow, pairs[:2], color)
        errors, fps = measure(flow, pairs, color)
        means = "".join(f"{value:9.3f}" for value in mean_errors(errors, pairs))
        click.echo(f"{name:<16}{means}" + (f"{fps:9.0f}" if name != "zero" else ""))


if __name__ == "__main__":
    main()
