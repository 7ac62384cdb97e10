"""The generated person whom the benchmarks look at."""

from __future__ import annotations

from benchmark.params.synthetic import GesturesSpec
from benchmark.synthetic.film_clip import Shooting
from benchmark.synthetic.plan import plan


def one_person(width: int, height: int, clips: int) -> Shooting:
    """A training video of `clips` gestures, about 35 frames each, ready to be drawn."""
    spec = GesturesSpec(
        seed=0, train_clips=clips, val_clips=1, test_clips=1, train_people=1, val_people=1,
        test_people=1, width=width, height=height, fps=25, crf=23,
    )  # fmt: skip
    return Shooting(spec, next(video for video in plan(spec) if video.split == "train"))
