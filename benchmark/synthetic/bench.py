"""Frames per second of the generator: python -m benchmark.synthetic.bench."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import cv2

from benchmark.core.video import write_video
from benchmark.params.synthetic import GesturesSpec
from benchmark.synthetic.film_clip import Shooting
from benchmark.synthetic.plan import plan
from benchmark.synthetic.xlsx import write_xlsx


@click.command()
@click.option("--clips", default=28, show_default=True, help="Clips in the one video made.")
@click.option("--width", default=320, show_default=True)
@click.option("--height", default=180, show_default=True)
def bench(clips: int, width: int, height: int) -> None:
    """Make one video on one core and print where the time goes."""
    cv2.setNumThreads(1)
    spec = GesturesSpec(
        seed=0, train_clips=clips, val_clips=1, test_clips=1, train_people=1, val_people=1,
        test_people=1, width=width, height=height, fps=25, crf=23,
    )  # fmt: skip
    video = next(v for v in plan(spec) if v.split == "train")
    Shooting(spec, video).draw(0)
    laps = {"pose, dress, scene": time.perf_counter()}
    shooting = Shooting(spec, video)
    with tempfile.TemporaryDirectory() as folder:
        laps["draw"] = time.perf_counter()
        frames = [rgb.copy() for rgb in shooting.frames()]
        laps["encode"] = time.perf_counter()
        write_video(Path(folder) / "v.mp4", frames, spec.fps, crf=spec.crf, gop=12)
        laps["detect"] = time.perf_counter()
        table = shooting.detections().reshape(video.num_frames, -1)
        laps["xlsx"] = time.perf_counter()
        write_xlsx(Path(folder) / "v.xlsx", table)
        end = time.perf_counter()
    starts = [*laps.values(), end]
    for name, a, b in zip(laps, starts, starts[1:], strict=False):
        click.echo(f"{name:20s} {1000 * (b - a) / video.num_frames:6.2f} ms/frame")
    total = end - starts[0]
    click.echo(
        f"{video.num_frames} frames in {total:.1f} s: {video.num_frames / total:.0f} frames/s"
    )


if __name__ == "__main__":
    bench()
