"""Measure the generator's frames per second: python -m benchmark.synthetic.bench."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import cv2

from benchmark.core.video import write_video
from benchmark.synthetic.film_clip import VideoFilm
from benchmark.synthetic.plan import plan
from benchmark.synthetic.spec import GesturesSpec
from benchmark.synthetic.xlsx import write_xlsx

_FPS, _CRF = 25, 23


def one_person(width: int, height: int, clips: int) -> VideoFilm:
    """Plan a training video of `clips` gestures, about 35 frames each, ready to be drawn."""
    spec = GesturesSpec(
        seed=0, train_clips=clips, val_clips=1, test_clips=1, train_people=1, val_people=1,
        test_people=1, cast="everyone", width=width, height=height, fps=_FPS, crf=_CRF,
    )  # fmt: skip
    return VideoFilm(spec, next(video for video in plan(spec) if video.split == "train"))


@click.command()
@click.option("--clips", default=28, show_default=True, help="Clips in the one video made.")
@click.option("--width", default=320, show_default=True, help="Frame width in pixels.")
@click.option("--height", default=180, show_default=True, help="Frame height in pixels.")
def bench(clips: int, width: int, height: int) -> None:
    """Make one video on one core and print where the time goes."""
    cv2.setNumThreads(1)
    # The first frame compiles numba's kernels or loads them: keep that out of the times.
    one_person(width, height, clips).draw(0)
    laps = {"pose, dress, scene": time.perf_counter()}
    film = one_person(width, height, clips)
    with tempfile.TemporaryDirectory() as folder:
        laps["draw"] = time.perf_counter()
        frames = [rgb.copy() for rgb in film.frames()]
        laps["encode"] = time.perf_counter()
        write_video(Path(folder) / "v.mp4", frames, _FPS, crf=_CRF, gop=12)
        laps["detect"] = time.perf_counter()
        table = film.detections().reshape(len(frames), -1)
        laps["xlsx"] = time.perf_counter()
        write_xlsx(Path(folder) / "v.xlsx", table)
        end = time.perf_counter()
    starts = [*laps.values(), end]
    for name, a, b in zip(laps, starts, starts[1:], strict=False):
        click.echo(f"{name:20s} {1000 * (b - a) / len(frames):6.2f} ms/frame")
    total = end - starts[0]
    click.echo(f"{len(frames)} frames in {total:.1f} s: {len(frames) / total:.0f} frames/s")


if __name__ == "__main__":
    bench()
