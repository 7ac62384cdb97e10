"""Film one generated person to try `mgbench predict` on: python -m benchmark.synthetic.demo."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from benchmark.core.files import csv_text, write_text
from benchmark.core.video import write_video
from benchmark.synthetic.film_clip import VideoFilm
from benchmark.synthetic.plan import plan
from benchmark.synthetic.spec import GesturesSpec

_FPS, _CRF, _GOP = 12, 20, 12
_COLUMNS = ("video", "person", "start_s", "end_s", "gesture")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@click.option("--gestures", default=8, show_default=True, help="Gestures of the person.")
@click.option("--seed", default=40, show_default=True, help="Another seed, another person.")
@click.option("--name", default="talk", show_default=True, help="Of the person and the files.")
def demo(out: Path, gestures: int, seed: int, name: str) -> None:
    """Write talk.mp4, the detected points talk.npy, and talk.csv: what is done when."""
    # A person of the test split: the networks of the zoo have met no body like theirs.
    spec = GesturesSpec(
        seed=seed, train_clips=1, val_clips=1, test_clips=gestures, train_people=1, val_people=1,
        test_people=1, cast="everyone", width=640, height=360, fps=_FPS, crf=_CRF,
    )  # fmt: skip
    video = next(video for video in plan(spec) if video.split == "test")
    film = VideoFilm(spec, video)
    out.mkdir(parents=True, exist_ok=True)
    write_video(out / f"{name}.mp4", film.frames(), _FPS, crf=_CRF, gop=_GOP)
    np.save(out / f"{name}.npy", film.detections().astype(np.float32))
    rows = [
        (
            f"{name}.mp4", name, f"{p.start / _FPS:.2f}", f"{(p.end + 1) / _FPS:.2f}",
            p.gesture.name.lower().replace("_", " "),
        )
        for p in video.performances
    ]  # fmt: skip
    write_text(out / f"{name}.csv", csv_text(_COLUMNS, rows))
    told = f"{len(rows)} gestures in {video.num_frames / _FPS:.0f} s"
    click.echo(f"wrote {out}/{name}.mp4, .npy and .csv: {told}")


if __name__ == "__main__":
    demo()
