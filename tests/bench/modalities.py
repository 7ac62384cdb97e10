"""What the video modalities cost on one core, and Taylor against a torch loop per frame.

python tests/bench/modalities.py
"""

from __future__ import annotations

import time
from functools import partial
from math import factorial
from typing import TYPE_CHECKING

import click
import cv2
import numpy as np
import torch
from filming import one_person

from benchmark.modalities.flow.dis import DisFlow
from benchmark.modalities.flow.flow import FlowModality
from benchmark.modalities.flow.sparse_to_dense import SparseToDenseFlow
from benchmark.modalities.rgb import RgbModality
from benchmark.modalities.taylor import LUMA, TaylorModality
from benchmark.modalities.taylor_series import taylor

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmark.modalities.modality import VideoModality

TERMS, WINDOW = 3, 6


def film(width: int, height: int, count: int) -> NDArray[np.uint8]:
    """A generated person: uint8 (count, H, W, 3)."""
    shooting = one_person(width, height, 12)
    return np.stack([shooting.draw(k).rgb.copy() for k in range(count)])


def torch_loop(gray: torch.Tensor) -> torch.Tensor:
    """The definition, a block at a time: (T, H, W) -> (T - 5, H, W, 3)."""
    found = []
    for t in range(len(gray) - WINDOW + 1):
        block = gray[t : t + WINDOW]
        differences = [block[0]]
        row = block
        for _ in range(TERMS + 2):
            row = row[1:] - row[:-1]
            differences.append(row[0])
        sums = [((block - block[0]) ** i / factorial(i)).sum(0) for i in range(TERMS)]
        channels = [
            sum(sums[i] * differences[i + c] for i in range(TERMS)) / WINDOW for c in (1, 2, 3)
        ]
        found.append(torch.stack(channels, -1))
    return torch.stack(found)


def frames_a_second(run: Callable[[], object], count: int) -> float:
    """The better of three runs after one to warm up."""
    run()
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return count / best


def extracted(spec: VideoModality, pictures: NDArray[np.uint8]) -> None:
    """Extract one clip, as it is stored."""
    extractor = spec.extractor()
    for picture in pictures:
        for values in extractor.add(picture):
            spec.render(values)
    for values in extractor.finish():
        spec.render(values)


@click.command()
@click.option("--count", default=48, show_default=True, help="Frames of the clip.")
def main(count: int) -> None:
    """Print frames a second and seconds per 1,000 frames of each modality."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    for width, height, side in ((320, 180, 180), (1280, 720, 256)):
        pictures = film(width, height, count)
        made = {"edition": "mimic", "short_side": side, "gop": 8, "crf": 18, "shards": 1}
        more = {"kind": "flow", "work_side": side, "rendering": "components", "limit": 8.0, **made}
        ways: dict[str, VideoModality] = {
            "rgb, resized": RgbModality(kind="rgb", **made),
            "taylor": TaylorModality(
                kind="taylor", variant="signed", terms=TERMS, window=WINDOW, **made
            ),
        }
        for preset in ("ultrafast", "fast", "medium"):
            dis = DisFlow(kind="dis", preset=preset)
            ways[f"flow, dis {preset}"] = FlowModality(backend=dis, **more)
        sparse = SparseToDenseFlow(kind="sparse_to_dense")
        ways["flow, sparse to dense"] = FlowModality(backend=sparse, **more)
        click.echo(f"{count} frames of {width}x{height}, made at short side {side}, one core")
        for name, spec in ways.items():
            run = partial(extracted, spec, pictures)
            speed = frames_a_second(run, count)
            click.echo(f"  {name:<22} {speed:7.0f} frames/s {1000 / speed:7.2f} s per 1,000 frames")
    gray = np.asarray(film(320, 180, count) @ LUMA, np.float32)
    blocks = count - WINDOW + 1
    ours = frames_a_second(
        lambda: [taylor(gray[t : t + WINDOW], TERMS) for t in range(blocks)], blocks
    )
    loop = torch.from_numpy(gray)
    theirs = frames_a_second(lambda: torch_loop(loop), blocks)
    difference = np.abs(torch_loop(loop).numpy()[3] - taylor(gray[3 : 3 + WINDOW], TERMS)).max()
    click.echo(
        f"Taylor of gray frames, 320x180: ours {ours:.0f}, torch loop {theirs:.0f} blocks/s: "
        f"{ours / theirs:.1f} times as fast; largest difference {difference:.1e}"
    )


if __name__ == "__main__":
    main()
