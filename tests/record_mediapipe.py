"""What MediaPipe finds in drawn frames whose true points are known: figures, and a test's record.

    python tests/record_mediapipe.py --pose pose_landmarker_full.task \
        --hands hand_landmarker.task --face face_landmarker.task

Draws ten clips of the generator mimic, prints how far the found points lie from the true ones, and
writes one frame of each clip to tests/fixtures/mediapipe_points.npz.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmark.modalities.pose.mediapipe_points import (
    KeypointEstimator,
    Landmarks,
    PoseModels,
    assign_hands,
    model_hashes,
    to_openpose137,
)
from benchmark.synthetic.film_clip import VideoFilm
from benchmark.synthetic.gestures.gesture import Gesture
from benchmark.synthetic.plan import Performance, Video
from benchmark.synthetic.spec import GesturesSpec

WIDTH, HEIGHT, FPS = 640, 360, 25
FRAMES, KEPT_FRAME = 60, 30
CLIPS = (
    (5, Gesture.ILLUSTRATE), (23, Gesture.TOUCH_HEAD), (41, Gesture.FOLD_ARMS),
    (11, Gesture.HEAD_UP), (3, Gesture.RUB_HANDS), (30, Gesture.CROSS_FINGERS),
    (50, Gesture.TOUCH_EAR), (60, Gesture.MINARET), (17, Gesture.COVER_FACE),
    (35, Gesture.PRESS_LIPS),
)  # fmt: skip
"""Person and gesture."""
GROUPS = {
    "nose": [0], "neck": [1], "eyes": [15, 16], "ears": [17, 18], "shoulders": [2, 5],
    "elbows": [3, 6], "wrists": [4, 7], "face": [*range(25, 95)], "hands": [*range(95, 137)],
    "finger tips": [99, 103, 107, 111, 115, 120, 124, 128, 132, 136],
}  # fmt: skip
DEFAULT = Path(__file__).parent / "fixtures/mediapipe_points.npz"


class Drawn(NamedTuple):
    """A clip with its truth."""

    frames: np.ndarray
    """uint8 (T, H, W, 3) RGB."""
    truth: np.ndarray
    """(T, 137, 2) px; NaN where the generator has no such point."""
    hidden: np.ndarray
    """bool (T, 137) whether something covers the point."""


def drawn(identity: int, gesture: Gesture, num_frames: int = FRAMES) -> Drawn:
    """A clip of one person and gesture."""
    spec = GesturesSpec(
        seed=0, train_clips=1, val_clips=1, test_clips=1, train_people=1, val_people=1,
        test_people=1, width=WIDTH, height=HEIGHT, fps=FPS, crf=23, cast="everyone",
    )  # fmt: skip
    performance = Performance(gesture, 8, FRAMES - 9)
    film = VideoFilm(
        spec, Video(f"{identity:04d}", "train", identity, False, (performance,), FRAMES)
    )
    frames = [film.draw(t).rgb.copy() for t in range(num_frames)]
    return Drawn(np.stack(frames), film.exact[:num_frames, :, :2], film.hidden[:num_frames])


def mapped(found: Landmarks) -> np.ndarray:
    """The 137 points of recorded landmarks."""
    left, right = assign_hands(found, WIDTH, HEIGHT)
    return to_openpose137(found.pose, left, right, found.face, width=WIDTH, height=HEIGHT)


def padded(found: Landmarks) -> dict[str, np.ndarray]:
    """Landmarks as arrays of fixed shape, NaN where nothing was found."""
    hands = np.full((2, 21, 3), np.nan, np.float32)
    hands[: len(found.hands)] = found.hands
    called_right = np.zeros(2, np.bool_)
    called_right[: len(found.hands)] = found.called_right
    nothing = np.float32(np.nan)
    return {
        "pose": np.full((33, 4), nothing) if found.pose is None else found.pose,
        "hands": hands,
        "called_right": called_right,
        "face": np.full((478, 3), nothing) if found.face is None else found.face,
    }


def figures(points: np.ndarray, truth: np.ndarray, hidden: np.ndarray) -> list[str]:
    """Lines of a table: of the points that can be seen, how many were found and how far off."""
    lines = ["part         found  median px  90 % within px"]
    distance = np.linalg.norm(points[..., :2] - truth, axis=2)
    for name, group in GROUPS.items():
        seen = ~hidden[:, group] & np.isfinite(distance[:, group])
        found = seen & (points[:, group, 2] > 0)
        off = distance[:, group][found]
        share = found.sum() / seen.sum()
        lines.append(f"{name:12} {share:5.2f} {np.median(off):10.1f} {np.quantile(off, 0.9):15.1f}")
    return lines


def swapped_hands(points: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    """How many found hands lie nearer to the other hand's true points, and how many there are."""
    left, right = slice(95, 116), slice(116, 137)
    swapped = count = 0
    for own, other in ((left, right), (right, left)):
        found = points[:, own.start, 2] > 0
        place = points[found, own, :2]
        to_own = np.linalg.norm(place - truth[found, own], axis=2).mean(1)
        to_other = np.linalg.norm(place - truth[found, other], axis=2).mean(1)
        swapped += int((to_other < to_own).sum())
        count += int(found.sum())
    return swapped, count


@click.command()
@click.option("--pose", type=click.Path(path_type=Path), required=True)
@click.option("--hands", type=click.Path(path_type=Path))
@click.option("--face", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=DEFAULT, show_default=True)
def record(pose: Path, hands: Path | None, face: Path | None, out: Path) -> None:
    """Find the points of ten drawn clips; print the figures, write the record."""
    models = PoseModels(pose, hands, face)
    kept, points, clips, seconds = [], [], [], 0.0
    for identity, gesture in CLIPS:
        clip = drawn(identity, gesture)
        with KeypointEstimator(models, FPS) as estimator:
            start = time.perf_counter()
            found = [estimator.landmarks(frame) for frame in clip.frames]
            seconds += time.perf_counter() - start
        points.append(np.stack([mapped(each) for each in found]))
        clips.append(clip)
        kept.append(padded(found[KEPT_FRAME]))
    every = (np.concatenate([clip.truth for clip in clips]),
             np.concatenate([clip.hidden for clip in clips]))  # fmt: skip
    for line in figures(np.concatenate(points), *every):
        click.echo(line)
    wrong, count = swapped_hands(np.concatenate(points), every[0])
    click.echo(f"{wrong} of {count} hands on the wrong side")
    click.echo(f"{len(every[0]) / seconds:.1f} frames/s")
    about = {"mediapipe": version("mediapipe"), "sha256": model_hashes(models)}
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        out,
        **{name: np.stack([each[name] for each in kept]) for name in kept[0]},
        truth=np.stack([clip.truth[KEPT_FRAME] for clip in clips]).astype(np.float32),
        hidden=np.stack([clip.hidden[KEPT_FRAME] for clip in clips]),
        gesture=np.array([gesture.name for _, gesture in CLIPS]),
        about=np.array(json.dumps(about)),
    )
    click.echo(f"{out}: frame {KEPT_FRAME} of {len(kept)} clips, {out.stat().st_size} bytes")


if __name__ == "__main__":
    record()
