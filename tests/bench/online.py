"""Online recognition on long videos: seconds of grouping a whole day, memory of scoring.

python tests/bench/online.py                        # grouping of a day of window scores
python tests/bench/online.py --minutes 5 --minutes 1440   # peak memory of scoring made videos
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import click
import numpy as np
import psutil
import torch

from benchmark.contracts.window_scores import WindowScores
from benchmark.core.video import timeline, write_video
from benchmark.inference.any_video import recognize, sliding_windows
from benchmark.inference.detect import candidates
from benchmark.inference.systems import Network, System, open_zoo
from benchmark.modalities.one_file import Span
from benchmark.modalities.rgb import RgbModality
from benchmark.models.network import build
from benchmark.params.params import Grouping
from submission.fusion.blend import Blend

FPS, DAY, CLASSES = 25, 24 * 3600, 32
WINDOW, STEP = 1.25, 0.5
SPEC = Grouping(smoothing=0.7, levels=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), soft_nms=0.3)
SIDE = 32
"""Pixels of made pictures: what is kept of a video depends on its length, not on its size."""


def group_a_day() -> None:
    """Group windows whose surest class changes every few seconds, as in an interview."""
    rng = np.random.default_rng(0)
    count = round(DAY / STEP)
    logits = rng.normal(0, 1, (count, CLASSES)).astype(np.float32)
    shown = np.repeat(rng.integers(CLASSES, size=count // 4 + 1), 4)[:count]
    logits[np.arange(count), shown] += 4
    p = np.exp(logits)
    p /= p.sum(1, keepdims=True)
    start = np.arange(count) * round(STEP * FPS)
    names = tuple(f"class {k}" for k in range(CLASSES))
    scores = WindowScores(
        "e", "val", "s", names, ("day",) * count, start, start + round(WINDOW * FPS), p
    )
    begin = time.perf_counter()
    found = candidates(scores, SPEC)
    click.echo(f"{count} windows: {len(found)} candidates in {time.perf_counter() - begin:.1f} s")


def tiny_system() -> System:
    """Build a Video Swin of few channels, untrained: the memory of a network is not what counts."""
    zoo, name = open_zoo(), "swin_rgb"
    member = zoo.members[name]
    shown = member.metadata
    spec = shown.input.model_copy(update={"resize": SIDE, "size": SIDE})
    small = {"embed_dims": 8, "depths": (1, 1, 1), "num_heads": (1, 2, 4)}
    backbone = shown.backbone.model_copy(update=small)
    net = build(backbone, spec, None, num_classes=CLASSES)
    rgb = RgbModality(kind="rgb", edition=shown.edition, short_side=SIDE, gop=8, crf=28, shards=1)
    metadata = shown.model_copy(update={"modality": rgb, "input": spec, "backbone": backbone})
    one = member._replace(networks=(Network(metadata, net.state_dict),))
    return System(name, zoo.root, zoo.edition, {name: one}, Blend(np.ones(1)), None)


def score(video: Path) -> None:
    """Score the windows of a video as `mgbench predict` and stage `predict_windows` do."""
    torch.set_num_threads(1)
    times = timeline(video)
    windows = sliding_windows(times, Span(0, len(times.edges) - 1), WINDOW, STEP)
    found = recognize(tiny_system(), video, windows, quick=True)
    click.echo(f"{len(found)} windows", nl=False)


def measure(minutes: int) -> None:
    """Print the peak memory of a process that scores a made video, with all processes below it."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (FPS, SIDE, SIDE, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "made.mp4"
        frames = (pictures[k % FPS] for k in range(60 * FPS * minutes))
        write_video(video, frames, FPS, crf=40, gop=FPS)
        begin, peak = time.perf_counter(), 0
        with subprocess.Popen([sys.executable, __file__, "--of", str(video)]) as child:
            resident = partial(resident_below, psutil.Process(child.pid))
            while child.poll() is None:
                peak = max(peak, resident())
                time.sleep(0.2)
        if child.returncode:
            raise SystemExit(child.returncode)
    seconds = time.perf_counter() - begin
    click.echo(f" of {minutes} min: {seconds:.0f} s, at most {peak / 2**20:.0f} MiB")


def resident_below(top: psutil.Process) -> int:
    """Sum the resident bytes of a process and all below it; 0 where it ends meanwhile."""
    try:
        return sum(one.memory_info().rss for one in (top, *top.children(recursive=True)))
    except psutil.Error:
        return 0


@click.command()
@click.option("--minutes", multiple=True, type=int, help="Length of a made video to score.")
@click.option("--of", "video", type=Path, hidden=True)
def main(minutes: tuple[int, ...], video: Path | None) -> None:
    """Print seconds of grouping a day of windows, or peak memory of scoring made videos."""
    if video is not None:
        score(video)
        return
    for length in minutes:
        measure(length)
    if not minutes:
        group_a_day()


if __name__ == "__main__":
    main()
