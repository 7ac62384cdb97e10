"""Online recognition on long videos: seconds of grouping a whole day, memory of scoring.

python tests/bench/online.py            # grouping of a day of window scores
python tests/bench/online.py scoring    # and memory of scoring made videos of two lengths
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np

from benchmark.contracts.window_scores import WindowScores
from benchmark.inference.detect import candidates
from benchmark.params.params import Grouping

FPS, DAY, CLASSES = 25, 24 * 3600, 32
WINDOW, STEP = 1.25, 0.5
SPEC = Grouping(smoothing=0.7, levels=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), soft_nms=0.3)


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


def score(minutes: int) -> None:
    """Score the windows of a made video in this process, and print its largest memory."""
    from benchmark.core.video import timeline, write_video
    from benchmark.inference.any_video import recognize, sliding_windows
    from benchmark.inference.systems import open_zoo
    from benchmark.modalities.one_file import Span

    zoo = open_zoo()
    name = "swin_rgb"
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (FPS, 54, 96, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "made.mp4"
        frames = (pictures[k % FPS] for k in range(60 * FPS * minutes))
        write_video(video, frames, FPS, crf=40, gop=FPS)
        times = timeline(video)
        windows = sliding_windows(times, Span(0, len(times.edges) - 1), WINDOW, STEP)
        alone = zoo.without_points()
        keep = sorted(alone.members).index(name)
        blend = type(alone.blend)(np.eye(len(alone.members))[keep][[keep]])
        system = type(zoo)(name, zoo.root, zoo.edition, {name: zoo.members[name]}, blend, None)
        begin = time.perf_counter()
        recognize(system, video, windows, quick=True)
    peak = max(resource.getrusage(who).ru_maxrss
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))  # fmt: skip
    seconds = time.perf_counter() - begin
    click.echo(
        f"{minutes} min, {name}: {len(windows)} windows, {seconds:.0f} s, {peak / 1024:.0f} MB"
    )


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["score", minutes]:
            score(int(minutes))
        case arguments:
            group_a_day()
            for length in (1, 5) if arguments == ["scoring"] else ():
                subprocess.run([sys.executable, __file__, "score", str(length)], check=True)
